// Endpoints whose address an object says: WorkloadEntries, and those written into ServiceEntries. Called by endpoints.ts.
// Invariant: nobody is believed to speak mutual TLS who does not say so; a wrong guess would cut every connection.
import type { Endpoint, MeshService, ServicePort } from '../../model/service.ts'
import { canonicalName, canonicalRevision } from './canonical-service.ts'
import type { FixedEndpoint } from './mesh-draft.ts'

/** Says that a sidecar stands before the workload (Istio's label, on the entry). */
const TLS_MODE_LABEL = 'security.istio.io/tlsMode'

export function fixedEndpoint(entry: FixedEndpoint, port: ServicePort, service: MeshService): Endpoint {
  const { name, namespace, address, labels, locality, weight } = entry
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.number
  return {
    host: address,
    port: entry.ports[port.name] ?? target,
    health: 'healthy',
    acceptsMutualTls: !service.isExternal && entry.serviceAccount !== undefined && labels[TLS_MODE_LABEL] === 'istio',
    labels,
    locality,
    weight,
    workload: { name, namespace, app: canonicalName(entry), version: canonicalRevision(entry) },
  }
}
