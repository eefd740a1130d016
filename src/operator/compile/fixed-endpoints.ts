// Endpoints whose address an object says: WorkloadEntries, those written into ServiceEntries, and those of EndpointSlices. Called by
// endpoints.ts.
// Invariant: nobody is believed to speak mutual TLS who does not say so; a wrong guess would cut every connection.
import type { Endpoint, MeshService, ServicePort } from '../../model/service.ts'
import { canonicalName, canonicalRevision } from './canonical-service.ts'
import type { FixedEndpoint } from './mesh-draft.ts'

/** Says that a sidecar stands before the workload (Istio's label, on the entry). */
const TLS_MODE_LABEL = 'security.istio.io/tlsMode'

/** Undefined: it does not have the port. */
export function fixedEndpoint(entry: FixedEndpoint, port: ServicePort, service: MeshService, alsoUnready: boolean): Endpoint | undefined {
  const { name, namespace, address, labels, locality, weight, health = 'healthy' } = entry
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.number
  const number = entry.ports[port.name] ?? (entry.hasAllPorts === true ? undefined : target)
  if (number === undefined) return undefined
  const hasProxy = entry.hasProxy ?? labels[TLS_MODE_LABEL] === 'istio'
  return {
    host: address,
    port: number,
    health: alsoUnready ? 'healthy' : health,
    acceptsMutualTls: !service.isExternal && entry.serviceAccount !== undefined && hasProxy,
    labels,
    locality,
    weight,
    workload: { name, namespace, app: canonicalName(entry), version: canonicalRevision(entry) },
  }
}
