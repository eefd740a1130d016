// What a request to the API server may end in when it does not end well: values, never exceptions. Made by transport.ts and client.ts.
// Invariant: every message says what was asked, where, what came back, and what to do about it.
import { isRecord } from '../api/record.ts'

/** The API server's own reasons that callers decide by, and ours for requests that got no answer. */
export type KubeReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Expired'
  | 'Gone'
  | 'Forbidden'
  | 'Unauthorized'
  | 'Invalid'
  | 'BadRequest'
  | 'TooManyRequests'
  | 'ServiceUnavailable'
  | 'InternalError'
  /** No connection, or it broke before the answer was complete. */
  | 'Unreachable'
  | 'Timeout'
  /** The caller's signal. */
  | 'Aborted'
  | 'TooLarge'
  /** The answer is not what the API server's contract says. */
  | 'Malformed'
  /** No usable credentials: a token file that is gone, an exec plugin that failed. */
  | 'Credentials'
  | 'Other'

export interface KubeFailure {
  /** The HTTP status, or 0 when there was no answer. */
  readonly status: number
  readonly reason: KubeReason
  readonly message: string
  /** What the API server asked for (Retry-After). */
  readonly retryAfterMs?: number
  /** The connection had been idle and may have been closed by the server before our request: it may not have been processed. */
  readonly stale?: true
}

export type KubeResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: KubeFailure }

/** It may go well when asked again: there was no answer, too many asked, or the API server has its own trouble. */
export function isPassing({ status }: KubeFailure): boolean {
  return status === 0 || status === 429 || status >= 500
}

export function failed(failure: KubeFailure): { readonly ok: false; readonly failure: KubeFailure } {
  return { ok: false, failure }
}

const BY_STATUS: Readonly<Record<number, KubeReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Gone',
  413: 'TooLarge',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

const ADVICE: Partial<Readonly<Record<KubeReason, string>>> = {
  Forbidden: 'give the account this right (src/kube/README.md lists what each part needs)',
  Unauthorized: 'the token or client certificate is not accepted: check that it has not expired and is meant for this cluster',
  Unreachable: 'check that the API server runs and that this address is reachable from here',
  Timeout: 'the API server is slow or overloaded, or something on the way swallows packets',
  TooLarge: 'ask for fewer objects at a time',
  Credentials: 'check the kubeconfig, its files and its exec plugin',
}

/** What was asked, for messages: `list pods in namespace 'default'`. */
export type What = string

export function failureOf(what: What, status: number, reason: KubeReason, detail: string, retryAfterMs?: number): KubeFailure {
  const advice = ADVICE[reason]
  const message = `${what}: ${detail}${advice === undefined ? '' : `; ${advice}`}`
  return { status, reason, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** From an answer that is not 2xx: its body is a Status object, or plain text from something in front of the API server. */
export function failureOfAnswer(what: What, status: number, body: string, retryAfterMs?: number): KubeFailure {
  const parsed = parseStatus(body)
  const known = parsed?.reason
  const reason = isReason(known) ? known : (BY_STATUS[status] ?? 'Other')
  const detail = parsed?.message ?? (body.trim() === '' ? 'no explanation' : body.trim().slice(0, 300))
  return failureOf(what, status, reason, `the API server answered ${status} (${known ?? reason}): ${detail}`, retryAfterMs)
}

/** From the Status object inside a watch's ERROR event. */
export function failureOfStatus(what: What, object: unknown): KubeFailure {
  const status = isRecord(object) && typeof object.code === 'number' ? object.code : 0
  return failureOfAnswer(what, status, JSON.stringify(object) ?? '')
}

/** etcd has compacted the version that was asked for: only a new list helps. */
export function isExpired(failure: KubeFailure): boolean {
  return failure.status === 410 || failure.reason === 'Expired' || failure.reason === 'Gone'
}

function parseStatus(body: string): { readonly reason?: string; readonly message?: string } | undefined {
  if (!body.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(body)
    if (!isRecord(value)) return undefined
    return {
      ...(typeof value.reason === 'string' && value.reason !== '' ? { reason: value.reason } : {}),
      ...(typeof value.message === 'string' ? { message: value.message } : {}),
    }
  } catch {
    return undefined
  }
}

const REASONS = new Set<string>([...Object.values(BY_STATUS), 'AlreadyExists', 'Expired'])

function isReason(text: string | undefined): text is KubeReason {
  return text !== undefined && REASONS.has(text)
}
