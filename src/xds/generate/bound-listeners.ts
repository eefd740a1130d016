// Listeners of a proxy that binds an address for each destination (standalone): inbound ports, services, and HTTP_PROXY.
import type { Filter, Listener } from '../../envoy/generated/messages.gen.ts'
import { HTTP_PROXY_ROUTES, listenerName, outboundClusterName, routeConfigName } from '../../envoy/names.ts'
import type { HostPort } from '../../model/address-plan.ts'
import { isHttp } from '../../model/service.ts'
import type { BindCapture } from '../../model/workload.ts'
import type { InstanceView, ProxyView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { inboundChains, needsInspection, TLS_INSPECTOR } from './inbound-chains.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { tcpIdleTimeoutMs } from './tcp-idle-timeout.ts'
import { httpManager, tcpProxy } from './terminal-filters.ts'

export function boundListeners(view: ProxyView): readonly Resource[] {
  const { capture } = view.instance.workload
  if (capture.kind !== 'bind') return []
  return [...inboundListeners(view.instance, capture), ...serviceListeners(view, capture), ...proxyListener(view.instance, capture)]
}

function inboundListeners(view: InstanceView, capture: BindCapture): readonly Resource[] {
  return view.workload.ports.flatMap((port) => {
    const listen = capture.inbound.find((each) => each.port === port.number)?.listen
    if (listen === undefined) return []
    return [
      resource(listen, {
        trafficDirection: 'INBOUND',
        ...(needsInspection(port.tls.mode) ? { listenerFilters: [TLS_INSPECTOR] } : {}),
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
    const filter = isHttp(port.protocol)
      ? outboundManager(instance, listen, routeConfigName(number, hostname))
      : tcpProxy(outboundClusterName(number, '', hostname), instance.settings, tcpIdleTimeoutMs(view, port))
    return [outbound(listen, filter, metadataOf({ origin: service.origin, services: [service] }))]
  })
}

function proxyListener(view: InstanceView, { httpProxy }: BindCapture): readonly Resource[] {
  return httpProxy === undefined ? [] : [outbound(httpProxy, outboundManager(view, httpProxy, HTTP_PROXY_ROUTES), undefined)]
}

function outboundManager(view: InstanceView, listen: HostPort, routeConfig: string): Filter {
  const statPrefix = `outbound_${listenerName(listen.host, listen.port)}`
  return httpManager({ statPrefix, rds: { configSource: ADS, routeConfigName: routeConfig } }, view.settings)
}

function outbound(listen: HostPort, filter: Filter, metadata: Listener['metadata']): Resource {
  return resource(listen, {
    trafficDirection: 'OUTBOUND',
    filterChains: [{ filters: [filter] }],
    ...(metadata === undefined ? {} : { metadata }),
  })
}

function resource(listen: HostPort, listener: Listener): Resource {
  const name = listenerName(listen.host, listen.port)
  return { type: 'envoy.config.listener.v3.Listener', name, message: { name, address: socketAddress(listen), ...listener } }
}
