// Listeners that a redirected proxy reaches by the original address of a connection: one per port for what is told apart by what the
// client says (Host, server name) or by ranges, one per virtual address for the rest (Istio's structure and names).
// Shared by all proxies of a scope. Invariant: no two chains of a listener match alike; Envoy refuses the listener for it.

import { parseCidr } from '../../base/cidr.ts'
import type { Filter, FilterChain, FilterChainMatch, Listener } from '../../envoy/generated/messages.gen.ts'
import { BLACK_HOLE_CLUSTER, listenerName, outboundClusterName, PASSTHROUGH_CLUSTER, routeConfigName } from '../../envoy/names.ts'
import { isHttp, type ServicePort } from '../../model/service.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { TLS_INSPECTOR } from './inbound-chains.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { tcpIdleTimeoutMs } from './tcp-idle-timeout.ts'
import { httpManager, tcpProxy } from './terminal-filters.ts'

export const WILDCARD = '0.0.0.0'

interface DraftListener {
  readonly address: string
  readonly port: number
  /** By what makes the match unique. */
  readonly chains: Map<string, FilterChain>
  rest: Filter | undefined
}

export function outboundListeners(scope: ScopeView): readonly Resource[] {
  if (scope.capture !== 'redirect') return []
  const drafts = new Map<string, DraftListener>()
  const ports = scope.services.flatMap((view) => view.service.ports.map((port) => ({ view, port })))
  // HTTP first: where HTTP and other protocols meet on a port, what is not HTTP needs an address of its own.
  for (const { port } of ports.filter((each) => isHttp(each.port.protocol))) {
    const statPrefix = `outbound_${listenerName(WILDCARD, port.number)}`
    const rds = { configSource: ADS, routeConfigName: routeConfigName(port.number) }
    draftAt(drafts, WILDCARD, port.number).rest ??= httpManager({ statPrefix, rds }, scope.settings)
  }
  for (const { view, port } of ports.filter((each) => !isHttp(each.port.protocol))) addConnections(drafts, view, port, scope)
  return [...drafts.values()].map((draft) => finish(draft, scope))
}

function draftAt(drafts: Map<string, DraftListener>, address: string, port: number): DraftListener {
  const name = listenerName(address, port)
  const draft = drafts.get(name) ?? { address, port, chains: new Map(), rest: undefined }
  drafts.set(name, draft)
  return draft
}

function addConnections(drafts: Map<string, DraftListener>, view: ServiceView, port: ServicePort, scope: ScopeView): void {
  const { service } = view
  const filter = tcpProxy(outboundClusterName(port.number, '', service.hostname), scope.settings, tcpIdleTimeoutMs(view, port))
  const wildcard = (): DraftListener => draftAt(drafts, WILDCARD, port.number)
  for (const address of service.addresses) {
    if (!address.includes('/')) {
      draftAt(drafts, address, port.number).rest ??= filter
      continue
    }
    const range = parseCidr(address)
    if (range === undefined) continue
    addChain(wildcard(), address, { prefixRanges: [{ addressPrefix: range.address, prefixLen: range.prefixLength }] }, filter)
  }
  if (service.addresses.length > 0) return
  if (port.protocol === 'tls' && isServerName(service.hostname))
    addChain(wildcard(), service.hostname, { serverNames: [service.hostname] }, filter)
  else wildcard().rest ??= filter
}

function addChain({ chains }: DraftListener, key: string, filterChainMatch: FilterChainMatch, filter: Filter): void {
  if (!chains.has(key)) chains.set(key, { name: key, filterChainMatch, filters: [filter] })
}

/** Envoy knows `*.example.com`, and no other star. */
function isServerName(hostname: string): boolean {
  return !hostname.slice(1).includes('*') && (!hostname.startsWith('*') || hostname.startsWith('*.'))
}

/** What no chain is for goes where all unknown connections go. */
function finish({ address, port, chains, rest }: DraftListener, scope: ScopeView): Resource {
  const name = listenerName(address, port)
  const needsName = [...chains.values()].some(({ filterChainMatch }) => filterChainMatch?.serverNames !== undefined)
  const message: Listener = {
    name,
    address: socketAddress({ host: address, port }),
    trafficDirection: 'OUTBOUND',
    bindToPort: false,
    ...(needsName ? { listenerFilters: [TLS_INSPECTOR] } : {}),
    filterChains: [...chains.values(), { filters: [rest ?? tcpProxy(unknownCluster(scope), scope.settings)] }],
  }
  return { type: 'envoy.config.listener.v3.Listener', name, message }
}

export function unknownCluster({ outboundTraffic }: Pick<ScopeView, 'outboundTraffic'>): string {
  return outboundTraffic === 'allow-any' ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER
}
