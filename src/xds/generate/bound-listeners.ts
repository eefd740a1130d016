// Listeners of a proxy that binds an address for each destination (standalone): inbound ports, services, and HTTP_PROXY.
import type { Filter, FilterChain, Listener } from '../../envoy/generated/messages.gen.ts'
import { HTTP_PROXY_ROUTES, listenerName, routeConfigName } from '../../envoy/names.ts'
import type { HostPort } from '../../model/address-plan.ts'
import { isHttp } from '../../model/service.ts'
import type { BindCapture } from '../../model/workload.ts'
import type { InstanceView, ProxyView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { inboundChains } from './inbound-chains.ts'
import { asksForServerName, ChainBook, l4Chains } from './l4-chains.ts'
import { HTTP_INSPECTOR, inboundInspection, outboundWait, SEEN_HTTP, TLS_INSPECTOR } from './listener-filters.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { httpManager, routeFilters } from './terminal-filters.ts'

export function boundListeners(view: ProxyView): readonly Resource[] {
  const { capture } = view.instance.workload
  if (capture.kind !== 'bind') return []
  return [...inboundListeners(view.instance, capture), ...serviceListeners(view, capture), ...proxyListener(view, capture)]
}

function inboundListeners(view: InstanceView, capture: BindCapture): readonly Resource[] {
  return view.workload.ports.flatMap((port) => {
    const listen = capture.inbound.find((each) => each.port === port.number)?.listen
    if (listen === undefined) return []
    return [
      resource(listen, {
        trafficDirection: 'INBOUND',
        ...inboundInspection(port, view.settings),
        filterChains: inboundChains(view, port),
        metadata: metadataOf({ origin: view.workload.origin, services: port.services }),
      }),
    ]
  })
}

function serviceListeners({ scope, instance }: ProxyView, capture: BindCapture): readonly Resource[] {
  const byHost = new Map(scope.services.map((view) => [view.service.hostname, view]))
  return capture.outbound.flatMap(({ hostname, port: number, listen }) => {
    const view = byHost.get(hostname)
    const service = view?.service
    const port = service?.ports.find((each) => each.number === number)
    if (view === undefined || service === undefined || port === undefined) return []
    const metadata = metadataOf({ origin: service.origin, services: [service] })
    const http = (): Filter => outboundManager(instance, listen, routeConfigName(number, hostname), { isStock: scope.isStock })
    if (isHttp(port.protocol)) return [outbound(listen, [{ filters: [http()] }], metadata)]
    const book = new ChainBook()
    // The address that was called is the proxy's own; what the client means are the service's.
    const chains = l4Chains(view, port, service.addresses, scope).flatMap((chain) => book.filterChain(chain) ?? [])
    if (port.protocol === 'auto') {
      const detects = { listenerFilters: [HTTP_INSPECTOR], ...outboundWait(instance.settings) }
      return [outbound(listen, [{ name: 'http', filterChainMatch: SEEN_HTTP, filters: [http()] }, ...chains], metadata, detects)]
    }
    return chains.length === 0 ? [] : [outbound(listen, chains, metadata)]
  })
}

function proxyListener({ scope, instance }: ProxyView, { httpProxy }: BindCapture): readonly Resource[] {
  if (httpProxy === undefined) return []
  const manager = outboundManager(instance, httpProxy, HTTP_PROXY_ROUTES, { isStock: scope.isStock, acceptsConnect: true })
  return [outbound(httpProxy, [{ filters: [manager] }], undefined)]
}

function outboundManager(
  view: InstanceView,
  listen: HostPort,
  routeConfig: string,
  { isStock, acceptsConnect = false }: { readonly isStock: boolean; readonly acceptsConnect?: boolean },
): Filter {
  const statPrefix = `outbound_${listenerName(listen.host, listen.port)}`
  const rds = { configSource: ADS, routeConfigName: routeConfig }
  return httpManager({ statPrefix, rds, acceptsConnect, filters: routeFilters(isStock) }, view.settings)
}

function outbound(
  listen: HostPort,
  filterChains: readonly FilterChain[],
  metadata: Listener['metadata'],
  detects: Listener = asksForServerName(filterChains) ? { listenerFilters: [TLS_INSPECTOR] } : {},
): Resource {
  return resource(listen, {
    trafficDirection: 'OUTBOUND',
    ...detects,
    filterChains,
    ...(metadata === undefined ? {} : { metadata }),
  })
}

function resource(listen: HostPort, listener: Listener): Resource {
  const name = listenerName(listen.host, listen.port)
  return { type: 'envoy.config.listener.v3.Listener', name, message: { name, address: socketAddress(listen), ...listener } }
}
