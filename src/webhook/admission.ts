// The API server's question and our answer (admission.k8s.io/v1 AdmissionReview). Pure.
// Invariant: the answer carries the question's uid, or the API server takes it for a failure of the webhook.
import { isRecord } from '../api/record.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import type { PatchOperation } from './json-patch.ts'

export interface AdmissionRequest {
  readonly uid: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly operation: string
  readonly dryRun: boolean
  readonly object: unknown
}

export type AdmissionAnswer =
  | { readonly allowed: true; readonly patch?: readonly PatchOperation[]; readonly warnings?: readonly string[] }
  | { readonly allowed: false; readonly message: string; readonly code: number; readonly warnings?: readonly string[] }

const VERSION = 'admission.k8s.io/v1'

export function readReview(text: string): Result<AdmissionRequest> {
  let review: unknown
  try {
    review = JSON.parse(text)
  } catch (error) {
    return fail('', `the body is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isRecord(review) || review.kind !== 'AdmissionReview') return fail('kind', 'must be AdmissionReview')
  if (review.apiVersion !== VERSION) return fail('apiVersion', `is '${String(review.apiVersion)}'; only ${VERSION} is answered`)
  const { request } = review
  if (!isRecord(request) || typeof request.uid !== 'string') return fail('request.uid', 'is missing')
  const kind = isRecord(request.kind) ? String(request.kind.kind) : ''
  const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
  return succeed({
    uid: request.uid,
    kind,
    namespace: textOf(request.namespace),
    name: textOf(request.name),
    operation: textOf(request.operation),
    dryRun: request.dryRun === true,
    object: request.object,
  })
}

export function writeReview(uid: string, answer: AdmissionAnswer): string {
  const warnings = answer.warnings === undefined || answer.warnings.length === 0 ? {} : { warnings: answer.warnings.map(asWarning) }
  const response = answer.allowed
    ? { uid, allowed: true, ...warnings, ...patchOf(answer.patch ?? []) }
    : { uid, allowed: false, ...warnings, status: { code: answer.code, message: answer.message } }
  return JSON.stringify({ apiVersion: VERSION, kind: 'AdmissionReview', response })
}

function patchOf(patch: readonly PatchOperation[]): object {
  return patch.length === 0 ? {} : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
}

/** An HTTP header in the end: one line, and not so long that the API server cuts all of them (4,096 characters together). */
function asWarning(text: string): string {
  const line = `lateen: ${text}`.replaceAll(/\s+/g, ' ')
  return line.length <= 400 ? line : `${line.slice(0, 397)}...`
}
