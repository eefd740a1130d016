// Whether a failed attempt is repeated. Pure: what happened and what is left are values, so `lateen explain` asks the same question.
// Conditions mean what Envoy's retry_on means. Invariant: a request that may have been processed is repeated only when the policy
// names a condition that says so ('reset', '5xx', a status); 'connect-failure' and its like cover only what was never sent.
import type { Random } from '../../base/random.ts'
import type { RetryCondition, RetryPolicy } from '../config/proxy-config.ts'

/** How an attempt ended. */
export type AttemptResult =
  | { readonly kind: 'response'; readonly status: number; readonly grpcStatus: number | undefined }
  /** No connection, or TLS with the endpoint failed: nothing was sent. */
  | { readonly kind: 'connect-failure' }
  /** The endpoint said that it processed nothing (RFC 9113 8.7: REFUSED_STREAM, or a GOAWAY below the stream). */
  | { readonly kind: 'refused-stream' }
  /** The connection was lost before one byte of the request was sent on it. */
  | { readonly kind: 'reset-before-request' }
  /** The connection was lost after the request, or a part of it, was sent and before the response began. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'per-try-timeout' }
  /** A circuit breaker refused the attempt: repeating would only press harder. */
  | { readonly kind: 'overflow' }

export interface RetrySituation {
  readonly result: AttemptResult
  /** Attempts made so far, the failed one included: 1 after the first. */
  readonly attempts: number
  /** The request can be sent again whole: its body was kept or has none. */
  readonly replayable: boolean
  /** Bytes of the response have gone to the client: nothing can be taken back. */
  readonly responseStarted: boolean
  /** Retries now in flight to the cluster, and how many it allows (circuit breaker max_retries). */
  readonly activeRetries: number
  readonly maxActiveRetries: number
  /** What is left of the route's timeout; undefined without one. */
  readonly remainingMs: number | undefined
}

export type RetryDecision =
  | { readonly retry: true; readonly afterMs: number; readonly because: RetryCondition }
  | { readonly retry: false; readonly because: NoRetryReason }

export type NoRetryReason =
  | 'no-policy'
  | 'not-retriable'
  | 'maybe-processed'
  | 'response-started'
  | 'not-replayable'
  | 'attempts-spent'
  | 'budget-spent'
  | 'deadline'

export function decideRetry(policy: RetryPolicy | undefined, situation: RetrySituation, random: Random): RetryDecision {
  if (policy === undefined || policy.maxRetries === 0) return NO.noPolicy
  if (situation.responseStarted) return NO.responseStarted
  const condition = retriableBecause(policy, situation.result)
  if (condition === undefined) return situation.result.kind === 'reset' ? NO.maybeProcessed : NO.notRetriable
  if (!situation.replayable) return NO.notReplayable
  if (situation.attempts > policy.maxRetries) return NO.attemptsSpent
  if (situation.activeRetries >= situation.maxActiveRetries) return NO.budgetSpent
  const afterMs = retryDelayMs(policy, situation.attempts, random)
  if (situation.remainingMs !== undefined && afterMs >= situation.remainingMs) return NO.deadline
  return { retry: true, afterMs, because: condition }
}

const NO = {
  noPolicy: { retry: false, because: 'no-policy' },
  notRetriable: { retry: false, because: 'not-retriable' },
  maybeProcessed: { retry: false, because: 'maybe-processed' },
  responseStarted: { retry: false, because: 'response-started' },
  notReplayable: { retry: false, because: 'not-replayable' },
  attemptsSpent: { retry: false, because: 'attempts-spent' },
  budgetSpent: { retry: false, because: 'budget-spent' },
  deadline: { retry: false, because: 'deadline' },
} as const satisfies Record<string, RetryDecision>

/** The condition of the policy that covers this result, or undefined. A response is checked before its body is passed on. */
export function retriableBecause(policy: RetryPolicy, result: AttemptResult): RetryCondition | undefined {
  return result.kind === 'response' ? responseCondition(policy, result.status, result.grpcStatus) : failureCondition(policy, result.kind)
}

function responseCondition(policy: RetryPolicy, status: number, grpcStatus: number | undefined): RetryCondition | undefined {
  const { on } = policy
  if (status >= 500) {
    if (on.has('5xx')) return '5xx'
    if (on.has('gateway-error') && status >= 502 && status <= 504) return 'gateway-error'
  }
  if (status === 409 && on.has('retriable-4xx')) return 'retriable-4xx'
  if (on.has('retriable-status-codes') && policy.retriableStatusCodes.has(status)) return 'retriable-status-codes'
  const grpc = grpcStatus === undefined ? undefined : GRPC_CONDITIONS.get(grpcStatus)
  return grpc !== undefined && on.has(grpc) ? grpc : undefined
}

const GRPC_CONDITIONS: ReadonlyMap<number, RetryCondition> = new Map([
  [1, 'cancelled'],
  [4, 'deadline-exceeded'],
  [8, 'resource-exhausted'],
  [13, 'internal'],
  [14, 'unavailable'],
])

/** In order of how much they promise: what says "not processed" comes before what says "repeat whatever happened". */
const FAILURE_CONDITIONS: Readonly<Record<Exclude<AttemptResult['kind'], 'response'>, readonly RetryCondition[]>> = {
  'connect-failure': ['connect-failure', 'reset-before-request', 'reset', 'gateway-error', '5xx'],
  'refused-stream': ['refused-stream', 'reset', 'gateway-error', '5xx'],
  'reset-before-request': ['reset-before-request', 'reset', 'gateway-error', '5xx'],
  reset: ['reset', 'gateway-error', '5xx'],
  'per-try-timeout': ['reset', 'gateway-error', '5xx'],
  overflow: [],
}

function failureCondition(policy: RetryPolicy, kind: Exclude<AttemptResult['kind'], 'response'>): RetryCondition | undefined {
  for (const condition of FAILURE_CONDITIONS[kind]) if (policy.on.has(condition)) return condition
  return undefined
}

/** Full jitter over base * 2^(n-1), capped (Envoy: JitteredExponentialBackOffStrategy): a thousand clients do not come back at once. */
export function retryDelayMs(policy: RetryPolicy, attempts: number, random: Random): number {
  return random() * Math.min(policy.backoffMaxMs, policy.backoffBaseMs * 2 ** Math.min(attempts - 1, 30))
}
