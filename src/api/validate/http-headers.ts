// Changes to headers: only a request's authority may be set among the ':' headers, and only once (Envoy refuses the others).
import type { FieldPath } from '../field-path.ts'
import type { HeaderOperations, Headers } from '../generated/virtual-service.gen.ts'
import type { Report } from '../report.ts'
import { checkHeaderName, checkHeaderValue } from './matches.ts'

export function checkHeaders(headers: Headers | undefined, path: FieldPath, report: Report): void {
  if (headers?.request !== undefined) checkOperations(headers.request, true, [...path, 'request'], report)
  if (headers?.response !== undefined) checkOperations(headers.response, false, [...path, 'response'], report)
}

function checkOperations(operations: HeaderOperations, isRequest: boolean, path: FieldPath, report: Report): void {
  for (const field of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(operations[field] ?? {})) {
      const at = [...path, field, name]
      if (!(isRequest && isAuthority(name))) checkPlainName(name, at, report)
      checkHeaderValue(value, at, report)
    }
  }
  operations.remove?.forEach((name, index) => void checkPlainName(name, [...path, 'remove', index], report))
}

function isAuthority(name: string): boolean {
  return [':authority', 'host'].includes(name.toLowerCase())
}

function checkPlainName(name: string, path: FieldPath, report: Report): void {
  if (name.startsWith(':') || name.toLowerCase() === 'host') {
    report('LTN0137', path, { value: name, problem: 'the proxy owns this header' }, 'key')
  } else checkHeaderName(name, path, report)
}
