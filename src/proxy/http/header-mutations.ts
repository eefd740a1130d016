// request_headers_to_add/remove and their response twins, from the route table down to the weighted cluster, made ready once per route.
// Envoy's order: the route's before the virtual host's before the table's, so that the outer level has the last word; mutated-fields.ts
// performs them.
import type { HeaderMutations, Route, RouteTable, VirtualHost, WeightedCluster } from '../config/proxy-config.ts'

/** From the inside (weighted cluster) out (table); never empty. */
export interface MutationPlan {
  readonly levels: readonly HeaderMutations[]
}

export interface RouteMutations {
  readonly request: MutationPlan | undefined
  readonly response: MutationPlan | undefined
}

export const NO_ROUTE_MUTATIONS: RouteMutations = { request: undefined, response: undefined }
/** Per route, per entry of its weighted clusters (two may name one cluster). A route object belongs to one table. */
const PLANS = new WeakMap<Route, Map<WeightedCluster | undefined, RouteMutations>>()

export function mutationsFor(table: RouteTable, host: VirtualHost, route: Route, cluster: WeightedCluster | undefined): RouteMutations {
  const known = PLANS.get(route)?.get(cluster)
  if (known !== undefined) return known
  const request = [cluster?.requestHeaders, route.requestHeaders, host.requestHeaders, table.requestHeaders]
  const response = [cluster?.responseHeaders, route.responseHeaders, host.responseHeaders, table.responseHeaders]
  const plan: RouteMutations = { request: combine(request), response: combine(response) }
  const made = plan.request === undefined && plan.response === undefined ? NO_ROUTE_MUTATIONS : plan
  const plans = PLANS.get(route) ?? new Map<WeightedCluster | undefined, RouteMutations>()
  plans.set(cluster, made)
  PLANS.set(route, plans)
  return made
}

function combine(levels: readonly (HeaderMutations | undefined)[]): MutationPlan | undefined {
  const used = levels.filter((level) => level !== undefined && level.remove.length + level.set.length > 0) as readonly HeaderMutations[]
  return used.length === 0 ? undefined : { levels: used }
}

/** The authority may be rewritten by one destination's own word (host_rewrite_literal of a weighted cluster). */
export function hostOverride(plan: MutationPlan | undefined): string | undefined {
  return plan?.levels.flatMap(({ set }) => set).findLast(({ name }) => isAuthority(name))?.value
}

/** hostOverride's, and what frames the message: neither is written as a line of its own (RFC 9112 3.2, 6.1). */
export function isNotALine(name: string): boolean {
  return isAuthority(name) || name === 'content-length' || name === 'transfer-encoding'
}

function isAuthority(name: string): boolean {
  return name === 'host' || name === ':authority'
}
