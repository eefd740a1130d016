// The route tables of outbound listeners, shared by all proxies of a scope. Redirected proxies have one table per port and tell services
// apart by Host; bound ones have one table per service port, whose listener says what is meant, and one of everything for HTTP_PROXY.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { RouteConfiguration, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import { HTTP_PROXY_ROUTES, routeConfigName, virtualHostResourceName } from '../../envoy/names.ts'
import { mayBeHttp, type ServicePort } from '../../model/service.ts'
import { objectKey } from '../view/object-key.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { ADS } from './config-source.ts'
import { bookOf, type DomainBook, domainsOf, withPort } from './domains.ts'
import { unknownCluster } from './outbound-listeners.ts'
import type { Resource } from './resources.ts'
import { foreignVirtualHost, serviceVirtualHost } from './virtual-hosts.ts'

/** Hosts that are no service are routed on this port only (Istio's rule for sidecars). */
const FOREIGN_PORT = 80

/** Of direct responses (Istio's limit); Envoy's default is 4 KiB. */
export const MAX_BODY_BYTES = 1024 * 1024

interface HttpPort {
  readonly view: ServiceView
  readonly port: ServicePort
}

export function outboundRoutes(scope: ScopeView): readonly Resource[] {
  if (scope.capture === 'gateway') return []
  const httpPorts = scope.services.flatMap((view) =>
    view.service.ports.filter((port) => mayBeHttp(port.protocol)).map((port) => ({ view, port })),
  )
  const isRedirected = scope.capture === 'redirect'
  const [alone, shared] = isRedirected ? partition(httpPorts, hasOwnListener) : [httpPorts, httpPorts]
  const ofMany = isRedirected ? tablesByPort(scope, shared) : [proxyTable(scope, shared)]
  const ofOne = tablesByService(scope, alone)
  return [...ofOne.map(whole), ...ofMany.flatMap((message) => (scope.discoversVirtualHosts ? apart(message) : [whole(message)]))]
}

/** Of a redirected proxy: what is called at an address of its own, and may be no HTTP at all. */
function hasOwnListener({ view, port }: HttpPort): boolean {
  return port.protocol === 'auto' && view.service.addresses.length > 0
}

function partition<T>(all: readonly T[], test: (each: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(test), all.filter((each) => !test(each))]
}

function whole(message: Table): Resource {
  return { type: 'envoy.config.route.v3.RouteConfiguration', name: message.name, message }
}

/** A table of all services of a port changes with every one of them: its virtual hosts are resources of their own. */
function apart({ virtualHosts = [], ...message }: Table): readonly Resource[] {
  return [whole({ ...message, vhds: { configSource: ADS } }), ...virtualHosts.map((host) => virtualHostResource(message.name, host))]
}

const virtualHostResources = new WeakMap<VirtualHost, Map<string, Resource>>()

/** The same object for the same virtual host of the same table, so that it is encoded once. */
function virtualHostResource(table: string, virtualHost: VirtualHost): Resource {
  const known = virtualHostResources.get(virtualHost) ?? new Map<string, Resource>()
  virtualHostResources.set(virtualHost, known)
  const name = virtualHostResourceName(table, virtualHost.name ?? '')
  const made = known.get(table) ?? { type: 'envoy.config.route.v3.VirtualHost', name, message: { ...virtualHost, name } }
  known.set(table, made)
  return made
}

type Table = RouteConfiguration & { readonly name: string }

function table(name: string, virtualHosts: readonly VirtualHost[], ignorePort: boolean): Table {
  // A route to a cluster that is not there is a user's mistake with a Finding, not a reason to refuse the table.
  return {
    name,
    virtualHosts,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_BODY_BYTES,
    ...(ignorePort ? { ignorePortInHostMatching: true } : {}),
  }
}

function tablesByPort(scope: ScopeView, httpPorts: readonly HttpPort[]): readonly Table[] {
  const groups = Map.groupBy(httpPorts, ({ port }) => port.number)
  if (!groups.has(FOREIGN_PORT) && scope.foreignRoutes.length > 0) groups.set(FOREIGN_PORT, [])
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([number, members]) => {
      const book = bookOf(scope, routeConfigName(number))
      const own = members.map(({ view, port }) =>
        hostOf(view, port, book.take(whose(view, port), domainsOf(view.service, scope.namespace, scope.settings)), scope),
      )
      const foreign = number === FOREIGN_PORT ? foreignHosts(scope, book, (host) => [host]) : []
      return table(routeConfigName(number), [...named([...own, ...foreign]), ...catchAll(scope, book)], true)
    })
}

function tablesByService(scope: ScopeView, httpPorts: readonly HttpPort[]): readonly Table[] {
  return httpPorts.map(({ view, port }) =>
    table(routeConfigName(port.number, view.service.hostname), [hostOf(view, port, ['*'], scope)], false),
  )
}

function proxyTable(scope: ScopeView, httpPorts: readonly HttpPort[]): Table {
  const book = bookOf(scope, HTTP_PROXY_ROUTES)
  const own = httpPorts.map(({ view, port }) =>
    hostOf(
      view,
      port,
      book.take(whose(view, port), withPort(domainsOf(view.service, scope.namespace, scope.settings), port.number)),
      scope,
    ),
  )
  const foreign = foreignHosts(scope, book, (host) => withPort([host], FOREIGN_PORT))
  return table(HTTP_PROXY_ROUTES, [...named([...own, ...foreign]), ...catchAll(scope, book)], false)
}

function whose({ service }: ServiceView, port: ServicePort): string {
  return `${service.hostname} ${service.ports.indexOf(port)}`
}

const NONE: object = {}
const hosts = createWeakMemo<Map<string, VirtualHost>>()

/** The same object for every table in which it has the same names, so that it is encoded once. */
function hostOf(view: ServiceView, port: ServicePort, domains: readonly string[], scope: ScopeView): VirtualHost {
  const known = hosts([view.service, view.route ?? NONE, port, scope.settings], () => new Map())
  const key = `${scope.isStock} ${domains.join(' ')}${policiesKey(view, scope)}`
  const made = known.get(key) ?? serviceVirtualHost(view, port, domains, scope)
  known.set(key, made)
  return made
}

/** Of the DestinationRules of all that the routes lead to. */
function policiesKey({ service, route }: ServiceView, { isStock, routedPolicies }: ScopeView): string {
  if (!isStock || routedPolicies.size === 0) return ''
  const destinations = (route?.http ?? []).flatMap(({ action }) => (action.kind === 'forward' ? action.destinations : []))
  const found = [service.hostname, ...destinations.map(({ host }) => host)].flatMap((host) => routedPolicies.get(host) ?? [])
  return [...new Set(found)].map((policy) => ` ${objectKey(policy)}`).join('')
}

function foreignHosts(scope: ScopeView, book: DomainBook, domains: (host: string) => readonly string[]): readonly VirtualHost[] {
  return scope.foreignRoutes
    .filter(({ http }) => http.length > 0)
    .map((route) =>
      foreignVirtualHost(route, FOREIGN_PORT, book.take(`host ${route.host}`, route.host === '*' ? ['*'] : domains(route.host)), scope),
    )
}

/** A virtual host all of whose names another has already could never be reached, and Envoy refuses one without names. */
function named(virtualHosts: readonly VirtualHost[]): readonly VirtualHost[] {
  return virtualHosts.filter(({ domains = [] }) => domains.length > 0)
}

/** Everything else: out to where the client wanted, where that is allowed and possible, else 502 (Istio's names and status). */
function catchAll(scope: ScopeView, book: DomainBook): readonly VirtualHost[] {
  const domains = book.take('the rest', ['*'])
  if (domains.length === 0) return []
  if (scope.outboundTraffic === 'allow-any' && (scope.capture === 'redirect' || scope.egressProxy !== undefined)) {
    const route = { name: 'allow_any', match: { prefix: '/' }, route: { cluster: unknownCluster(scope), timeout: 0 } }
    return [{ name: 'allow_any', domains, routes: [route], includeRequestAttemptCount: true }]
  }
  const isForbidden = scope.outboundTraffic === 'registry-only'
  const body = { inlineString: `no service of the mesh has this host and port${isForbidden ? ONLY_REGISTRY : ''}\n` }
  const route = { name: 'block_all', match: { prefix: '/' }, directResponse: { status: 502, body } }
  return [
    {
      name: 'block_all',
      domains,
      routes: [route],
      includeRequestAttemptCount: true,
      ...(isForbidden ? { responseHeadersToAdd: DENIED } : {}),
    },
  ]
}

const ONLY_REGISTRY = ', and the mesh lets nothing else out (REGISTRY_ONLY): see x-lateen-deny for the host, and add a ServiceEntry for it'
/** A body of Envoy's cannot name the host, a header can. The application reads what it asked for itself. */
const DENIED = [
  {
    header: { key: 'x-lateen-deny', value: 'registry-only; host="%REQ(:AUTHORITY)%"' },
    appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const,
  },
]
