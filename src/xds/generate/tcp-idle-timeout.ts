// How long a connection to a service may be silent, as a DestinationRule says; undefined: Envoy's hour. Used by all outbound listeners.
import type { ServicePort } from '../../model/service.ts'
import { blocksFor } from '../../model/traffic-policy.ts'
import type { ServiceView } from '../view/proxy-view.ts'

export function tcpIdleTimeoutMs({ policy }: ServiceView, port: ServicePort): number | undefined {
  return policy === undefined ? undefined : blocksFor(policy.traffic, undefined, port.number).pool?.tcpIdleTimeoutMs
}
