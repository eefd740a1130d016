// The http section of one VirtualService: every match of every entry becomes a route, in order, up to the first that matches everything.
// Called by virtual-services.ts once per object, whatever the number of its hosts.
// Invariant: an entry whose action is not in force keeps its place and answers 501 (no destinations), so that its requests do not
// fall through to a later entry that was not meant for them.
import type { Finding } from '../../api/finding.ts'
import type { HTTPMatchRequest, HTTPRoute, VirtualService } from '../../api/generated/virtual-service.gen.ts'
import type { HttpMatch, HttpRoute } from '../../model/traffic-route.ts'
import type { CompileInput } from './compile-input.ts'
import { destinationsOf } from './destinations.ts'
import { compileMatch, matchesEverything } from './http-match.ts'
import type { MeshDraft } from './mesh-draft.ts'

const EVERYTHING: HttpMatch = { path: undefined, headers: [], queryParameters: [], port: undefined }

export interface CompiledRoutes {
  readonly routes: readonly HttpRoute[]
  readonly findings: readonly Finding[]
}

export function httpRoutes(object: VirtualService, draft: MeshDraft, input: CompileInput): CompiledRoutes {
  const routes: HttpRoute[] = []
  const findings: Finding[] = []
  for (const [index, entry] of (object.spec.http ?? []).entries()) {
    const field = `spec.http[${index}]`
    const { destinations, findings: ofDestinations } = destinationsOf(object, entry, field, draft, input)
    findings.push(...ofDestinations)
    for (const { match, name, at } of matchesOf(entry, field, input)) routes.push({ name, match, destinations, field: at })
  }
  const last = routes.findIndex(({ match }) => matchesEverything(match))
  return { routes: last === -1 ? routes : routes.slice(0, last + 1), findings }
}

interface NamedMatch {
  readonly match: HttpMatch
  readonly name: string
  readonly at: string
}

/** Without those that nothing can match here, and without patterns that are none; validation has said so. */
function matchesOf(entry: HTTPRoute, field: string, input: CompileInput): readonly NamedMatch[] {
  const matches = entry.match ?? []
  const routeName = entry.name ?? ''
  if (matches.length === 0) return [{ match: EVERYTHING, name: routeName, at: field }]
  return matches.flatMap((request, index) => {
    const at = `${field}.match[${index}]`
    const name = [routeName, request.name ?? ''].filter((part) => part !== '').join('.')
    const match = canMatchHere(request) ? compileMatch(request, input.compileRegex) : undefined
    return match === undefined ? [] : [{ match, name, at }]
  })
}

/** A condition on the client that is not in force must not widen the match, so such a match is left out; one for gateways only is not
 *  for sidecars. */
function canMatchHere(request: HTTPMatchRequest): boolean {
  const { sourceLabels, sourceNamespace, gateways } = request
  if (sourceLabels !== undefined || sourceNamespace !== undefined) return false
  return gateways === undefined || gateways.length === 0 || gateways.includes('mesh')
}
