// Retry policies of routes and virtual hosts, with Envoy's defaults filled in.
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import type { RetryCondition, RetryPolicy } from './proxy-config.ts'

const CONDITIONS: ReadonlySet<string> = new Set<RetryCondition>([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
])

/** Envoy: HTTP/3 and rate-limit conditions that can never hold here. */
const NEVER_HOLDS: ReadonlySet<string> = new Set(['http3-post-connect-failure', 'envoy-ratelimited'])

/** Undefined when nothing is ever retried. */
export function decodeRetryPolicy(policy: envoy.RetryPolicy | undefined, at: string, context: DecodeContext): RetryPolicy | undefined {
  if (policy === undefined) return undefined
  const on = new Set<RetryCondition>()
  for (const word of (policy.retryOn ?? '').split(',').map((each) => each.trim())) {
    if (isCondition(word)) on.add(word)
    else if (word !== '' && !NEVER_HOLDS.has(word)) context.unsupported(`${at}.retry_on`, `retry condition '${word}' is not known`)
  }
  const maxRetries = policy.numRetries ?? 1
  const baseMs = policy.retryBackOff?.baseInterval ?? 25
  if (policy.retryBackOff !== undefined && baseMs <= 0) context.error(`${at}.retry_back_off.base_interval`, 'must be above zero')
  if (on.size === 0 || maxRetries === 0) return undefined
  return {
    maxRetries,
    on,
    retriableStatusCodes: new Set(policy.retriableStatusCodes ?? []),
    perTryTimeoutMs: policy.perTryTimeout === 0 ? undefined : policy.perTryTimeout,
    backoffBaseMs: baseMs,
    backoffMaxMs: policy.retryBackOff?.maxInterval ?? baseMs * 10,
    avoidsPreviousHosts: avoidsPreviousHosts(policy, at, context),
    hostSelectionAttempts: policy.hostSelectionRetryMaxAttempts ?? 1,
  }
}

function isCondition(word: string): word is RetryCondition {
  return CONDITIONS.has(word)
}

function avoidsPreviousHosts(policy: envoy.RetryPolicy, at: string, context: DecodeContext): boolean {
  let avoids = false
  for (const [index, predicate] of (policy.retryHostPredicate ?? []).entries()) {
    if (`${predicate.name} ${predicate.typedConfig?.['@type'] ?? ''}`.includes('previous_hosts')) avoids = true
    else context.unsupported(`${at}.retry_host_predicate[${index}]`, `host predicate '${predicate.name ?? ''}' is not supported`)
  }
  return avoids
}
