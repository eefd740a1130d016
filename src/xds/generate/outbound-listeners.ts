// Listeners that a redirected proxy reaches by the original address of a connection: one per port for what is told apart by what the
// client says (Host, server name) or by ranges, one per virtual address for the rest (Istio's structure and names).
// Shared by all proxies of a scope. Invariant: no two chains of a listener match alike; Envoy refuses the listener for it.

import { parseCidr } from '../../base/cidr.ts'
import type { Filter, FilterChain, Listener } from '../../envoy/generated/messages.gen.ts'
import { BLACK_HOLE_CLUSTER, listenerName, outboundClusterName, PASSTHROUGH_CLUSTER, routeConfigName } from '../../envoy/names.ts'
import { isHttp, type ServicePort } from '../../model/service.ts'
import { headlessHosts } from '../view/headless-hosts.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { asksForServerName, ChainBook, type L4Chain, l4Chains } from './l4-chains.ts'
import { HTTP_INSPECTOR, outboundWait, SEEN_HTTP, TLS_INSPECTOR } from './listener-filters.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'
import { httpManager, routeFilters, tcpProxy } from './terminal-filters.ts'

export const WILDCARD = '0.0.0.0'

interface DraftListener {
  readonly address: string
  readonly port: number
  readonly chains: FilterChain[]
  readonly book: ChainBook
  /** For requests. */
  http: Filter | undefined
  /** For everything else that no chain asks for. */
  rest: FilterChain | undefined
  /** Ranges that have a chain for requests of their own. */
  readonly httpRanges: Set<string>
  detects: boolean
}

export function outboundListeners(scope: ScopeView): readonly Resource[] {
  if (scope.capture !== 'redirect') return []
  const drafts = new Map<string, DraftListener>()
  const ports = scope.services.flatMap((view) => view.service.ports.map((port) => ({ view, port })))
  for (const { port } of ports.filter((each) => isHttp(each.port.protocol))) {
    const draft = draftAt(drafts, WILDCARD, port.number)
    draft.http ??= manager(draft, routeConfigName(port.number), scope)
  }
  for (const { view, port } of ports.filter((each) => !isHttp(each.port.protocol))) {
    if (port.protocol === 'auto') addRequests(drafts, view, port, scope)
    addConnections(drafts, view, port, scope)
  }
  return [...drafts.values()].map((draft) => finish(draft, scope))
}

function manager({ address, port }: DraftListener, table: string, scope: ScopeView): Filter {
  const statPrefix = `outbound_${listenerName(address, port)}`
  const rds = { configSource: ADS, routeConfigName: table }
  return httpManager({ statPrefix, rds, filters: routeFilters(scope.isStock) }, scope.settings)
}

/** Where nobody declares the protocol, requests are routed where they are seen: by the table of the service where its address says which
 *  one is meant, else by that of the port. */
function addRequests(drafts: Map<string, DraftListener>, view: ServiceView, port: ServicePort, scope: ScopeView): void {
  const { service } = view
  const own = routeConfigName(port.number, service.hostname)
  const wildcard = (): DraftListener => draftAt(drafts, WILDCARD, port.number)
  for (const address of service.addresses) {
    const range = address.includes('/') ? parseCidr(address) : undefined
    const draft = address.includes('/') ? wildcard() : draftAt(drafts, address, port.number)
    draft.detects = true
    if (!address.includes('/')) draft.http ??= manager(draft, own, scope)
    if (range === undefined || draft.httpRanges.has(address)) continue
    draft.httpRanges.add(address)
    const prefixRanges = [{ addressPrefix: range.address, prefixLen: range.prefixLength }]
    draft.chains.push({ name: `http ${address}`, filterChainMatch: { prefixRanges, ...SEEN_HTTP }, filters: [manager(draft, own, scope)] })
  }
  if (service.addresses.length > 0) return
  const draft = wildcard()
  draft.detects = true
  const hosts = headlessHosts(view)
  if (hosts !== undefined) {
    addRequestsTo(draft, hosts, service.hostname, scope)
    return
  }
  draft.http ??= manager(draft, routeConfigName(port.number), scope)
}

/** Beside the chain for the same hosts' other connections, which would have them all: Envoy asks for addresses before it asks what is seen. */
function addRequestsTo(draft: DraftListener, hosts: readonly string[], hostname: string, scope: ScopeView): void {
  const free = hosts.filter((host) => !draft.httpRanges.has(host))
  if (free.length === 0) return
  for (const host of free) draft.httpRanges.add(host)
  const prefixRanges = free.map((host) => ({ addressPrefix: host, prefixLen: host.includes(':') ? 128 : 32 }))
  const filters = [manager(draft, routeConfigName(draft.port), scope)]
  draft.chains.push({ name: `http ${hostname}`, filterChainMatch: { prefixRanges, ...SEEN_HTTP }, filters })
}

function draftAt(drafts: Map<string, DraftListener>, address: string, port: number): DraftListener {
  const name = listenerName(address, port)
  const draft = drafts.get(name) ?? newDraft(address, port)
  drafts.set(name, draft)
  return draft
}

function newDraft(address: string, port: number): DraftListener {
  return { address, port, chains: [], book: new ChainBook(), http: undefined, rest: undefined, httpRanges: new Set(), detects: false }
}

function addConnections(drafts: Map<string, DraftListener>, view: ServiceView, port: ServicePort, scope: ScopeView): void {
  const { service } = view
  const wildcard = (): DraftListener => draftAt(drafts, WILDCARD, port.number)
  for (const address of service.addresses) {
    if (!address.includes('/')) {
      add(draftAt(drafts, address, port.number), l4Chains(view, port, [address], scope))
      continue
    }
    // A range has a chain of its own, so a route for a part of it cannot be told apart: the one for everything counts.
    const chains = l4Chains(view, port, [], scope).filter(({ serverNames }) => serverNames.length === 0)
    if (parseCidr(address) !== undefined)
      add(
        wildcard(),
        chains.slice(0, 1).map((chain) => ({ ...chain, subnets: [address] })),
      )
  }
  if (service.addresses.length > 0) return
  const chains = l4Chains(view, port, undefined, scope)
  const hosts = headlessHosts(view)
  if (hosts !== undefined) {
    const own = chains.flatMap((chain) => toHosts(chain, hosts))
    if (own.length > 0) add(wildcard(), own, service.hostname)
    return
  }
  const named = port.protocol === 'tls' && isServerName(service.hostname)
  add(
    wildcard(),
    named ? chains.map((chain) => (chain.route === undefined ? { ...chain, serverNames: [service.hostname] } : chain)) : chains,
  )
}

/** Whoever is called at another address is somebody else, unless a route asks for a name or a range by itself. */
function toHosts(chain: L4Chain, hosts: readonly string[]): readonly L4Chain[] {
  if (chain.serverNames.length + chain.subnets.length > 0) return [chain]
  if (hosts.length === 0) return chain.route === undefined ? [] : [chain]
  return [{ ...chain, subnets: hosts.map((host) => `${host}/${host.includes(':') ? 128 : 32}`) }]
}

/** A chain for every connection is the last, and the first such has the listener. */
function add(draft: DraftListener, chains: readonly L4Chain[], name?: string): void {
  for (const chain of chains) {
    const made = draft.book.filterChain(chain)
    if (made === undefined) continue
    const names = [...chain.subnets, ...chain.serverNames]
    if (names.length === 0) draft.rest ??= made
    else draft.chains.push({ name: name ?? names.join(' '), ...made })
  }
}

/** Envoy knows `*.example.com`, and no other star. */
function isServerName(hostname: string): boolean {
  return !hostname.slice(1).includes('*') && (!hostname.startsWith('*') || hostname.startsWith('*.'))
}

/** What no chain is for goes where all unknown connections go. A port on which everybody declares HTTP is HTTP, whatever its clients say;
 *  where others meet it there, its first bytes tell. */
function finish(draft: DraftListener, scope: ScopeView): Resource {
  const { address, port, http, rest } = draft
  const name = listenerName(address, port)
  const unknown: FilterChain = { filters: [tcpProxy(unknownCluster(scope), scope.settings)] }
  const detects = draft.detects || (http !== undefined && rest !== undefined)
  const requests: readonly FilterChain[] =
    http === undefined || !detects ? [] : [{ name: 'http', filterChainMatch: SEEN_HTTP, filters: [http] }]
  const last = http === undefined || detects ? (rest ?? unknown) : { filters: [http] }
  const chains = [...draft.chains, ...requests, last]
  const asksForTls = asksForServerName(chains)
  const inspectors = [...(asksForTls ? [TLS_INSPECTOR] : []), ...(detects ? [HTTP_INSPECTOR] : [])]
  const message: Listener = {
    name,
    address: socketAddress({ host: address, port }),
    trafficDirection: 'OUTBOUND',
    bindToPort: false,
    ...(inspectors.length === 0 ? {} : { listenerFilters: inspectors }),
    ...(detects || (asksForTls && rest !== undefined) ? outboundWait(scope.settings) : {}),
    filterChains: asksForTls && detects ? [...chains, ...ofTls(chains)] : chains,
  }
  return { type: 'envoy.config.listener.v3.Listener', name, message }
}

/** Where both are read: what is TLS is not looked at for HTTP, whatever its hello offers. */
function ofTls(chains: readonly FilterChain[]): readonly FilterChain[] {
  return chains
    .filter(({ filterChainMatch: match }) => match?.serverNames === undefined && match?.applicationProtocols === undefined)
    .map(({ name, filterChainMatch, ...chain }) => ({
      ...chain,
      name: name === undefined ? 'tls' : `${name} tls`,
      filterChainMatch: { ...filterChainMatch, transportProtocol: 'tls' },
    }))
}

export function unknownCluster({ outboundTraffic, egressProxy }: Pick<ScopeView, 'outboundTraffic' | 'egressProxy'>): string {
  if (outboundTraffic !== 'allow-any') return BLACK_HOLE_CLUSTER
  return egressProxy === undefined ? PASSTHROUGH_CLUSTER : outboundClusterName(egressProxy.port, egressProxy.subset ?? '', egressProxy.host)
}
