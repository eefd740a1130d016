// From the sidecar to its own application: one cluster per workload port.
import type { Address, BindConfig, Cluster } from '../../envoy/generated/messages.gen.ts'
import { INBOUND_PASSTHROUGH_CLUSTER, inboundClusterName } from '../../envoy/names.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { WorkloadPort } from '../../model/workload.ts'
import type { ProxyView } from '../view/proxy-view.ts'
import { common, protocolOptions } from './cluster-parts.ts'
import { policyFields } from './cluster-policy.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { statName } from './stat-name.ts'
import { spokenTo } from './upstream-protocol.ts'

/** Connections from here are not redirected back into the proxy (Istio's iptables rules exempt it). */
const INBOUND_SOURCE = '127.0.0.6'
const INBOUND_SOURCE_6 = '::6'
const LOOPBACK = '127.0.0.1'
const FROM_PROXY: BindConfig = {
  sourceAddress: { address: INBOUND_SOURCE, portValue: 0 },
  // The kernel takes no IPv4 source to an IPv6 destination.
  extraSourceAddresses: [{ address: { address: INBOUND_SOURCE_6, portValue: 0 } }],
}
const ORIGINAL_DESTINATION: Cluster = {
  type: 'ORIGINAL_DST',
  lbPolicy: 'CLUSTER_PROVIDED',
  upstreamBindConfig: FROM_PROXY,
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
    const context = { settings, isStock: view.instance.isStock, protocol: spokenTo(port.protocol, port.pool ?? {}), isPassthrough: true }
    const limits = port.pool === undefined ? protocolOptions(port.protocol) : policyFields({ pool: port.pool }, context)
    return [resource(name, { name, ...alias, ...common(settings), ...destination, ...limits, metadata })]
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
  const address = applicationOf(view, port)
  if (address === 'as-called') return ORIGINAL_DESTINATION
  if (address === undefined) return undefined
  const { capture } = view.instance.workload
  const callsOwnAddress = capture.kind === 'redirect' && port.ingress?.application?.kind === 'instance'
  return {
    ...(callsOwnAddress ? { upstreamBindConfig: FROM_PROXY } : {}),
    type: 'STATIC',
    loadAssignment: { clusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
  }
}

/** Where the application of a port is; undefined: nowhere that this proxy could reach. */
function applicationOf({ instance }: ProxyView, { ingress, number }: WorkloadPort): Address | undefined | 'as-called' {
  const { workload, settings, isStock } = instance
  const { capture } = workload
  const said = ingress?.application
  if (said?.kind === 'socket') return isStock ? { pipe: { path: said.path } } : undefined
  if (said?.kind === 'loopback') return socketAddress(said)
  if (capture.kind === 'bind') {
    // The workload's own address is the sidecar's here.
    if (said !== undefined) return socketAddress({ host: LOOPBACK, port: said.port })
    const application = capture.inbound.find((each) => each.port === number)?.application
    return application === undefined ? undefined : socketAddress(application)
  }
  if (said !== undefined) return socketAddress({ host: workload.address, port: said.port })
  // Who binds a port by itself knows of no address that was called.
  if (settings.inboundTraffic === 'localhost' || ingress?.bind !== undefined) return socketAddress({ host: LOOPBACK, port: number })
  return 'as-called'
}

function resource(name: string, message: Cluster): Resource {
  return { type: 'envoy.config.cluster.v3.Cluster', name, message }
}
