// The retries of an http entry: what the user says, over the mesh's default. Called by http-action.ts, and
// by mesh-defaults.ts for the mesh's own default.
import type { DefaultRetry } from '../../api/generated/mesh-config.gen.ts'
import type { HTTPRetry } from '../../api/generated/virtual-service.gen.ts'
import { DEFAULT_RETRIES, type Retries } from '../../model/http-action.ts'
import { durationMs } from './duration-ms.ts'

/** Envoy's; validation refuses others, which a proxy would not understand. */
const CONDITIONS: ReadonlySet<string> = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'retriable-4xx', 'refused-stream'],
  ...['retriable-status-codes', 'retriable-headers', 'envoy-ratelimited', 'http3-post-connect-failure'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'],
])

export function retriesOf(written: HTTPRetry | DefaultRetry | undefined): Retries | undefined {
  if (written === undefined) return undefined
  const words = (written.retryOn ?? '').split(',').map((word) => word.trim())
  const statusCodes = words.filter((word) => /^[1-5]\d\d$/.test(word)).map(Number)
  const conditions = words.filter((word) => CONDITIONS.has(word))
  // A number is a condition of its own in Istio; for the proxy it is a list beside the condition that reads it.
  const on = statusCodes.length === 0 ? conditions : [...conditions, 'retriable-status-codes']
  return {
    attempts: Math.min(Math.max(0, written.attempts ?? DEFAULT_RETRIES.attempts), 0xffff_ffff),
    on: on.length === 0 ? DEFAULT_RETRIES.on : [...new Set(on)],
    statusCodes: [...new Set(statusCodes)],
    perTryTimeoutMs: durationMs(written.perTryTimeout),
    backoffMs: durationMs(written.backoff),
    avoidsPreviousHosts: written.retryIgnorePreviousHosts ?? DEFAULT_RETRIES.avoidsPreviousHosts,
    otherLocalities: written.retryRemoteLocalities ?? DEFAULT_RETRIES.otherLocalities,
  }
}
