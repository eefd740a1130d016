// request_headers_to_add/remove and their response twins, from the route table down to the weighted cluster, made ready once per route.
// Envoy's order: the route's before the virtual host's before the table's, so that the outer level has the last word.
import type { HeaderMutations, HeaderValue, Route, RouteTable, VirtualHost, WeightedCluster } from '../config/proxy-config.ts'

export interface MutationPlan {
  /** Lower-case names whose lines do not travel: removed, or overwritten below. */
  readonly dropped: ReadonlySet<string>
  readonly values: readonly HeaderValue[]
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
  const dropped = new Set<string>()
  let values: HeaderValue[] = []
  for (const level of levels) {
    for (const name of level?.remove ?? []) {
      dropped.add(name)
      values = values.filter((value) => value.name !== name)
    }
    for (const value of level?.set ?? []) {
      if (value.action === 'overwrite-if-exists') {
        // What another level has taken away or written does not exist any more, or is already decided.
        if (dropped.has(value.name) || values.some((earlier) => earlier.name === value.name)) continue
        dropped.add(value.name)
      } else if (value.action === 'overwrite') {
        dropped.add(value.name)
        values = values.filter((earlier) => earlier.name !== value.name)
      }
      values.push(value)
    }
  }
  return dropped.size === 0 && values.length === 0 ? undefined : { dropped, values }
}

/** The lines that a plan adds. @param present whether the message came with a field of this name. @param expand for values with operators. */
export function addedLines(plan: MutationPlan, present: (lowerName: string) => boolean, expand: (template: string) => string): string {
  let lines = ''
  for (const value of plan.values) {
    // hostOverride's: a second Host line would make the request ambiguous (RFC 9112 3.2).
    if (isAuthority(value.name)) continue
    if (value.action === 'add-if-absent' && !plan.dropped.has(value.name) && present(value.name)) continue
    if (value.action === 'overwrite-if-exists' && !present(value.name)) continue
    const text = value.hasOperators ? expand(value.value) : value.value
    if (text !== '' || value.keepsEmpty) lines += `${value.name}: ${text}\r\n`
  }
  return lines
}

/** The authority may be rewritten by a mutation of 'host' or ':authority' (Istio: headers.request.set of the Host). */
export function hostOverride(plan: MutationPlan | undefined): string | undefined {
  if (plan === undefined) return undefined
  return plan.values.findLast(({ name }) => isAuthority(name))?.value
}

function isAuthority(name: string): boolean {
  return name === 'host' || name === ':authority'
}
