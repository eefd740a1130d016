// Retries in Envoy's words.
import { any } from '../../envoy/any.ts'
import type { RetryPolicy } from '../../envoy/generated/messages.gen.ts'
import type { Retries } from '../../model/http-action.ts'

const PREVIOUS_HOSTS: Pick<RetryPolicy, 'retryHostPredicate' | 'hostSelectionRetryMaxAttempts'> = {
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
    },
  ],
  hostSelectionRetryMaxAttempts: 5,
}

/** After two tries, those of the localities tried before are left (Istio). */
const OTHER_LOCALITIES: Pick<RetryPolicy, 'retryPriority'> = {
  retryPriority: {
    name: 'envoy.retry_priorities.previous_priorities',
    typedConfig: any('envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig', { updateFrequency: 2 }),
  },
}

/** Undefined: never. */
export function retryPolicy(retries: Retries, isStock: boolean): RetryPolicy | undefined {
  if (retries.attempts === 0) return undefined
  return {
    retryOn: retries.on.join(','),
    numRetries: retries.attempts,
    ...(retries.statusCodes.length === 0 ? {} : { retriableStatusCodes: retries.statusCodes }),
    ...(retries.perTryTimeoutMs === undefined ? {} : { perTryTimeout: retries.perTryTimeoutMs }),
    ...(retries.backoffMs === undefined ? {} : { retryBackOff: { baseInterval: retries.backoffMs } }),
    ...(retries.avoidsPreviousHosts ? PREVIOUS_HOSTS : {}),
    ...(retries.otherLocalities && isStock ? OTHER_LOCALITIES : {}),
  }
}
