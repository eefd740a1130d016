// Endpoints whose address an object says: WorkloadEntries, and those written into ServiceEntries. Called by endpoints.ts.
// Invariant: nobody is believed to speak mutual TLS who does not say so; a wrong guess would cut every connection.
import { isIP } from 'node:net'
import { hasLabels } from '../../model/destination-policy.ts'
import type { Endpoint, MeshService, ServicePort } from '../../model/service.ts'
import { canonicalName, canonicalRevision } from './canonical-service.ts'
import type { CompileInput } from './compile-input.ts'
import type { FixedEndpoint } from './mesh-draft.ts'
import { fixedEndpointOf } from './service-entries.ts'

/** Says that a sidecar stands before the workload (Istio's label, on the entry). */
const TLS_MODE_LABEL = 'security.istio.io/tlsMode'

/** WorkloadEntries of the namespace that carry the labels, by name. */
export function selectedEntries(
  namespace: string,
  selector: Readonly<Record<string, string>>,
  input: CompileInput,
): readonly FixedEndpoint[] {
  return [...input.state.objects.WorkloadEntry.values()]
    .filter(({ metadata, spec }) => metadata.namespace === namespace && hasLabels({ ...metadata.labels, ...spec.labels }, selector))
    .filter(({ spec: { address = '' } }) => isIP(address) !== 0)
    .map(({ metadata, spec }) => fixedEndpointOf({ ...spec, labels: { ...metadata.labels, ...spec.labels } }, metadata))
}

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
