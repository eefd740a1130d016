// Listeners of a proxy to which the kernel redirects every connection (iptables): the two that accept, under Istio's names. What they
// hand connections over to by their original address is outbound-listeners.ts's.
import { any } from '../../envoy/any.ts'
import type { FilterChain, Listener, ListenerFilter } from '../../envoy/generated/messages.gen.ts'
import { BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, listenerName, VIRTUAL_INBOUND, VIRTUAL_OUTBOUND } from '../../envoy/names.ts'
import type { RedirectCapture } from '../../model/workload.ts'
import type { InstanceView, ProxyView } from '../view/proxy-view.ts'
import { inboundChains, passthroughChains } from './inbound-chains.ts'
import {
  exceptAt,
  HTTP_INSPECTOR,
  hearsServerFirst,
  inboundInspection,
  inboundWait,
  looksForHttp,
  looksForTls,
  onlyAt,
  TLS_INSPECTOR,
} from './listener-filters.ts'
import { unknownCluster, WILDCARD } from './outbound-listeners.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { tcpProxy } from './terminal-filters.ts'

const ORIGINAL_DESTINATION: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typedConfig: any('envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {}),
}

export function redirectListeners(view: ProxyView): readonly Resource[] {
  const { capture } = view.instance.workload
  if (capture.kind !== 'redirect') return []
  return [virtualOutbound(view, capture), virtualInbound(view.instance, capture), ...ownListeners(view.instance)]
}

function virtualOutbound({ instance, scope }: ProxyView, capture: RedirectCapture): Resource {
  const { settings } = instance
  return resource(VIRTUAL_OUTBOUND, capture.outboundPort, {
    trafficDirection: 'OUTBOUND',
    useOriginalDst: true,
    filterChains: [
      blackHole('virtualOutbound-blackhole', capture.outboundPort, instance),
      { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy(unknownCluster(scope), settings)] },
    ],
  })
}

function virtualInbound(view: InstanceView, capture: RedirectCapture): Resource {
  const captured = view.workload.ports.filter(({ ingress }) => ingress?.bind === undefined)
  const plain = captured.filter((port) => !looksForTls(port)).map(({ number }) => number)
  const undeclared = captured.filter(looksForHttp).map(({ number }) => number)
  const serverMayBeFirst =
    hearsServerFirst(view.workload.otherPortsTls.mode, 'tcp') || captured.some(({ protocol, tls }) => hearsServerFirst(tls.mode, protocol))
  const ports = captured.flatMap((port) => inboundChains(view, port, { destinationPort: port.number }))
  return resource(VIRTUAL_INBOUND, capture.inboundPort, {
    trafficDirection: 'INBOUND',
    listenerFilters: [ORIGINAL_DESTINATION, exceptAt(TLS_INSPECTOR, plain), ...onlyAt(HTTP_INSPECTOR, undeclared)],
    ...inboundWait(view.settings, serverMayBeFirst),
    filterChains: [
      blackHole('virtualInbound-blackhole', capture.inboundPort, view),
      ...ports,
      ...passthroughChains(view, INBOUND_PASSTHROUGH_CLUSTER),
    ],
  })
}

/** Ports that a Sidecar takes out of the capture: the proxy binds them itself. */
function ownListeners(view: InstanceView): readonly Resource[] {
  return view.workload.ports.flatMap((port) => {
    const host = port.ingress?.bind
    if (host === undefined) return []
    const name = listenerName(host, port.number)
    const message: Listener = {
      name,
      address: socketAddress({ host, port: port.number }),
      trafficDirection: 'INBOUND',
      ...inboundInspection(port, view.settings),
      filterChains: inboundChains(view, port),
    }
    return [{ type: 'envoy.config.listener.v3.Listener', name, message }]
  })
}

/** A connection to the proxy's own port was not redirected: forwarding it to its 'original destination' would loop. */
function blackHole(name: string, destinationPort: number, { settings }: InstanceView): FilterChain {
  return { name, filterChainMatch: { destinationPort }, filters: [tcpProxy(BLACK_HOLE_CLUSTER, settings)] }
}

function resource(name: string, port: number, listener: Listener): Resource {
  const message: Listener = { name, address: socketAddress({ host: WILDCARD, port }), ...listener }
  return { type: 'envoy.config.listener.v3.Listener', name, message }
}
