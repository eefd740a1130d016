// Who makes which resources, in the order in which they are made. A new kind of resource is a file and a line here.
import type { ProxyView, ScopeView } from '../view/proxy-view.ts'
import { boundListeners } from './bound-listeners.ts'
import { builtInClusters } from './built-in-clusters.ts'
import { endpoints } from './endpoints.ts'
import { inboundClusters } from './inbound-clusters.ts'
import { outboundClusters } from './outbound-clusters.ts'
import { outboundRoutes } from './outbound-routes.ts'
import { redirectListeners } from './redirect-listeners.ts'
import type { Resource } from './resources.ts'

/** Depends on a scope's `key` alone: made once for all proxies of the scope. */
export const scopeContributors: readonly ((scope: ScopeView) => readonly Resource[])[] = [
  builtInClusters, // first: every table may name them
  outboundClusters, // before routes, which name them
  outboundRoutes,
]

/** Depends on a scope's `endpointsKey` alone: a scaled deployment makes these anew and nothing else. */
export const endpointContributors: readonly ((scope: ScopeView) => readonly Resource[])[] = [endpoints]

/** Depends on the instance's `key`: this proxy's own. */
export const instanceContributors: readonly ((view: ProxyView) => readonly Resource[])[] = [
  inboundClusters, // before listeners, which name them
  boundListeners,
  redirectListeners, // of the two kinds of listeners a proxy has one
]
