// From the sidecar to its own application: one cluster per workload port.
import type { Cluster } from '../../envoy/generated/messages.gen.ts'
import { INBOUND_PASSTHROUGH_CLUSTER, inboundClusterName } from '../../envoy/names.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { WorkloadPort } from '../../model/workload.ts'
import type { ProxyView } from '../view/proxy-view.ts'
import { common, protocolOptions } from './cluster-parts.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { statName } from './stat-name.ts'

/** Connections from here are not redirected back into the proxy (Istio's iptables rules exempt it). */
const INBOUND_SOURCE = '127.0.0.6'
const LOOPBACK = '127.0.0.1'
const ORIGINAL_DESTINATION: Cluster = {
  type: 'ORIGINAL_DST',
  lbPolicy: 'CLUSTER_PROVIDED',
  upstreamBindConfig: { sourceAddress: { address: INBOUND_SOURCE, portValue: 0 } },
}

export function inboundClusters(view: ProxyView): readonly Resource[] {
  const { workload, settings } = view.instance
  const { ports, capture, origin } = workload
  const clusters = ports.flatMap((port) => {
    const name = inboundClusterName(port.number)
    const destination = destinationOf(view, port, name)
    if (destination === undefined) return []
    // The services name the destination in metrics of requests that arrive here.
    const metadata = metadataOf({ origin, field: 'spec.ports', services: port.services })
    const alias = inboundStatName(port, settings)
    return [resource(name, { name, ...alias, ...destination, ...common(settings), ...protocolOptions(port.protocol), metadata })]
  })
  if (capture.kind !== 'redirect') return clusters
  return [
    ...clusters,
    resource(INBOUND_PASSTHROUGH_CLUSTER, { name: INBOUND_PASSTHROUGH_CLUSTER, ...ORIGINAL_DESTINATION, ...common(settings) }),
  ]
}

/** Of a port that no service means, the cluster's own. */
function inboundStatName({ services, number, name }: WorkloadPort, { statNames }: MeshSettings): Pick<Cluster, 'altStatName'> {
  const [service] = services
  if (service === undefined) return {}
  const parts = { service: `${service.name}.${service.namespace}`, hostname: service.hostname, subset: '' }
  return statName(statNames.inbound, { ...parts, port: number, portName: name, targetPort: number })
}

function destinationOf(view: ProxyView, port: WorkloadPort, clusterName: string): Cluster | undefined {
  const { capture } = view.instance.workload
  const { inboundTraffic } = view.instance.settings
  if (capture.kind === 'redirect' && inboundTraffic === 'passthrough') return ORIGINAL_DESTINATION
  const application =
    capture.kind === 'redirect'
      ? { host: LOOPBACK, port: port.number }
      : capture.inbound.find((each) => each.port === port.number)?.application
  if (application === undefined) return undefined
  const endpoint = { endpoint: { address: socketAddress(application) } }
  return { type: 'STATIC', loadAssignment: { clusterName, endpoints: [{ lbEndpoints: [endpoint] }] } }
}

function resource(name: string, message: Cluster): Resource {
  return { type: 'envoy.config.cluster.v3.Cluster', name, message }
}
