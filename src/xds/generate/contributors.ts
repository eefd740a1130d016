// Who makes which resources, in the order in which they are made. A new kind of resource is a file and a line here.
import type { ProxyView, ScopeKeys, ScopeView } from '../view/proxy-view.ts'
import { autoPassthroughClusters } from './auto-passthrough.ts'
import { boundListeners } from './bound-listeners.ts'
import { builtInClusters } from './built-in-clusters.ts'
import { endpoints } from './endpoints.ts'
import { gatewayListeners } from './gateway-listeners.ts'
import { gatewayRoutes } from './gateway-routes.ts'
import { gatewaySecrets } from './gateway-secrets.ts'
import { inboundClusters } from './inbound-clusters.ts'
import { outboundClusters } from './outbound-clusters.ts'
import { outboundListeners } from './outbound-listeners.ts'
import { outboundRoutes } from './outbound-routes.ts'
import { redirectListeners } from './redirect-listeners.ts'
import type { Resource } from './resources.ts'

/** What proxies of a scope have in common, in parts: each is made once for all scopes in which the part's key is the same. */
export const scopeParts: readonly ScopePart[] = [
  { key: 'clusters', isByService: () => true, contributors: [builtInClusters, outboundClusters] }, // first: every other part may name them
  { key: 'endpoints', isByService: () => true, contributors: [endpoints] }, // a scaled deployment makes these anew and nothing else
  { key: 'listeners', isByService: () => false, contributors: [outboundListeners] }, // services share them
  { key: 'routes', isByService: ({ discoversVirtualHosts }) => discoversVirtualHosts, contributors: [outboundRoutes] }, // and whole tables
]

export interface ScopePart {
  readonly key: keyof ScopeKeys
  /** Whether each resource is of one service, or of none: then some services alone give just their resources, as they are in the whole. */
  readonly isByService: (scope: ScopeView) => boolean
  readonly contributors: readonly ((scope: ScopeView) => readonly Resource[])[]
}

/** Depends on the instance's `key`: this proxy's own. */
export const instanceContributors: readonly ((view: ProxyView) => readonly Resource[])[] = [
  inboundClusters, // before listeners, which name them
  boundListeners,
  redirectListeners, // of the two kinds of listeners a proxy has one
  gatewaySecrets, // before whatever names them
  autoPassthroughClusters, // before listeners, too
  gatewayRoutes, // a gateway has neither of them
  gatewayListeners,
]
