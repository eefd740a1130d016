// The answer about an object of the mesh, from what validation found. Pure. An error is denied, as Istio does for what no schema can say:
// the object would not be in force (or, of a security kind, deny everything it selects), and its author is still looking. Warnings are
// allowed and shown. The webhook's failurePolicy is Ignore: without a control plane everything is taken, and found at compile.
// Invariant: only what is wrong with the object by itself; what depends on others may be applied in any order.
import type { Finding } from '../api/finding.ts'
import type { AdmissionAnswer } from './admission.ts'

export function reviewObject(findings: readonly Finding[]): AdmissionAnswer {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const warnings = findings.filter(({ severity }) => severity !== 'error').map(sentence)
  if (errors.length === 0) return { allowed: true, warnings }
  return { allowed: false, code: 422, message: errors.map(sentence).join('; '), warnings }
}

function sentence({ code, path, message, hint }: Finding): string {
  return `${code}: ${path === '' ? '' : `${path}: `}${message}${/[?.]$/.test(message) ? '' : '.'} ${hint}`
}
