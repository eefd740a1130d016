// The http section of one VirtualService: every match of every entry becomes a route, in order, up to the first that matches everything.
// Called by virtual-services.ts once per object, whatever the number of its hosts and gateways; `routesFor` picks one gateway's.
// Invariant: an entry that cannot be done keeps its place (http-action.ts).
import type { Finding } from '../../api/finding.ts'
import type { HTTPMatchRequest, VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { type HttpMatch, type HttpRoute, matchesEverything } from '../../model/traffic-route.ts'
import { entriesOf } from './delegates.ts'
import { gatewaysOf } from './gateway-names.ts'
import { httpAction } from './http-action.ts'
import { compileMatch } from './http-match.ts'
import { originOf } from './mesh-draft.ts'
import type { RouteEntry } from './route-entry.ts'
import type { Surroundings } from './surroundings.ts'

const EVERYTHING: HttpMatch = { path: undefined, headers: [], queryParameters: [], port: undefined, client: undefined }

/** A route, and the gateways that apply it ('mesh': every sidecar). */
export interface BoundRoute {
  readonly route: HttpRoute
  readonly gateways: readonly string[]
}

export interface CompiledRoutes {
  readonly routes: readonly BoundRoute[]
  readonly findings: readonly Finding[]
}

export function httpRoutes(object: VirtualService, around: Surroundings): CompiledRoutes {
  const { entries, findings } = entriesOf(object, around)
  const all: Finding[] = [...findings]
  const gateways = gatewaysOf(object.spec.gateways, object.metadata.namespace)
  const routes = entries.flatMap((entry) => {
    const { action, headers, findings: ofAction } = httpAction(entry, around)
    all.push(...ofAction)
    return matchesOf(entry, around).map(({ match, name, field, request }): BoundRoute => {
      const own = request?.gateways ?? []
      return {
        route: { name, match, action, headers, statPrefix: request?.statPrefix, origin: originOf(entry.object), field },
        gateways: own.length === 0 ? gateways : gatewaysOf(own, object.metadata.namespace),
      }
    })
  })
  return { routes, findings: all }
}

/** In order, up to the first that takes everything: what follows it would never be reached, and validation says so. */
export function routesFor(gateway: string, bound: readonly BoundRoute[]): readonly HttpRoute[] {
  const routes = bound.flatMap(({ route, gateways }) => (gateways.includes(gateway) ? [route] : []))
  const last = routes.findIndex(({ match }) => matchesEverything(match))
  return last === -1 ? routes : routes.slice(0, last + 1)
}

interface NamedMatch {
  readonly match: HttpMatch
  readonly name: string
  readonly field: string
  readonly request: HTTPMatchRequest | undefined
}

/** Without patterns that are none; validation has said so. */
function matchesOf({ entry, field, matchFields }: RouteEntry, around: Surroundings): readonly NamedMatch[] {
  const matches = entry.match ?? []
  const routeName = entry.name ?? ''
  if (matches.length === 0) return [{ match: EVERYTHING, name: routeName, field, request: undefined }]
  return matches.flatMap((request, index) => {
    const name = [routeName, request.name ?? ''].filter((part) => part !== '').join('.')
    const match = compileMatch(request, around.compileRegex)
    return match === undefined ? [] : [{ match, name, field: matchFields?.[index] ?? `${field}.match[${index}]`, request }]
  })
}
