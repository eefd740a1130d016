// Listeners of a proxy to which the kernel redirects every connection (iptables): two that accept, and one per destination that is
// reached by the original address (Istio's structure and names).
import { any } from '../../envoy/any.ts'
import type { Filter, FilterChain, Listener, ListenerFilter } from '../../envoy/generated/messages.gen.ts'
import {
  BLACK_HOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  listenerName,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
  routeConfigName,
  VIRTUAL_INBOUND,
  VIRTUAL_OUTBOUND,
} from '../../envoy/names.ts'
import { isHttp } from '../../model/service.ts'
import type { RedirectCapture } from '../../model/workload.ts'
import type { InstanceView, ProxyView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { inboundChains, passthroughChains, TLS_INSPECTOR } from './inbound-chains.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { httpManager, tcpProxy } from './terminal-filters.ts'

const WILDCARD = '0.0.0.0'
const ORIGINAL_DESTINATION: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typedConfig: any('envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {}),
}

export function redirectListeners(view: ProxyView): readonly Resource[] {
  const { capture } = view.instance.workload
  if (capture.kind !== 'redirect') return []
  return [virtualOutbound(view, capture), virtualInbound(view.instance, capture), ...destinationListeners(view)]
}

function virtualOutbound({ instance }: ProxyView, capture: RedirectCapture): Resource {
  const { settings } = instance
  const elsewhere = settings.outboundTraffic === 'allow-any' ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER
  return resource(VIRTUAL_OUTBOUND, capture.outboundPort, {
    trafficDirection: 'OUTBOUND',
    useOriginalDst: true,
    filterChains: [
      blackHole('virtualOutbound-blackhole', capture.outboundPort, instance),
      { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy(elsewhere, settings)] },
    ],
  })
}

function virtualInbound(view: InstanceView, capture: RedirectCapture): Resource {
  const ports = view.workload.ports.flatMap((port) => inboundChains(view, port, { destinationPort: port.number }))
  return resource(VIRTUAL_INBOUND, capture.inboundPort, {
    trafficDirection: 'INBOUND',
    listenerFilters: [ORIGINAL_DESTINATION, TLS_INSPECTOR],
    filterChains: [
      blackHole('virtualInbound-blackhole', capture.inboundPort, view),
      ...ports,
      ...passthroughChains(view, INBOUND_PASSTHROUGH_CLUSTER),
    ],
  })
}

/** A connection to the proxy's own port was not redirected: forwarding it to its 'original destination' would loop. */
function blackHole(name: string, destinationPort: number, { settings }: InstanceView): FilterChain {
  return { name, filterChainMatch: { destinationPort }, filters: [tcpProxy(BLACK_HOLE_CLUSTER, settings)] }
}

/** HTTP services share a listener per port; others have one per virtual address. The first of a name wins, HTTP before TCP. */
function destinationListeners({ scope, instance }: ProxyView): readonly Resource[] {
  const listeners = new Map<string, Resource>()
  const add = (address: string, port: number, filter: Filter): void => {
    const name = listenerName(address, port)
    if (!listeners.has(name)) listeners.set(name, destinationListener(name, address, port, filter))
  }
  const ports = scope.services.flatMap(({ service }) => service.ports.map((port) => ({ service, port })))
  for (const { port } of ports.filter((each) => isHttp(each.port.protocol))) {
    const statPrefix = `outbound_${listenerName(WILDCARD, port.number)}`
    const rds = { configSource: ADS, routeConfigName: routeConfigName(port.number) }
    add(WILDCARD, port.number, httpManager({ statPrefix, rds }, instance.settings))
  }
  for (const { service, port } of ports.filter((each) => !isHttp(each.port.protocol))) {
    const addresses = service.addresses.length === 0 ? [WILDCARD] : service.addresses
    const filter = tcpProxy(outboundClusterName(port.number, '', service.hostname), instance.settings)
    for (const address of addresses) add(address, port.number, filter)
  }
  return [...listeners.values()]
}

function destinationListener(name: string, host: string, port: number, filter: Filter): Resource {
  const message: Listener = {
    name,
    address: socketAddress({ host, port }),
    trafficDirection: 'OUTBOUND',
    bindToPort: false,
    filterChains: [{ filters: [filter] }],
  }
  return { type: 'envoy.config.listener.v3.Listener', name, message }
}

function resource(name: string, port: number, listener: Listener): Resource {
  const message: Listener = { name, address: socketAddress({ host: WILDCARD, port }), ...listener }
  return { type: 'envoy.config.listener.v3.Listener', name, message }
}
