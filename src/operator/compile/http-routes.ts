// The http section of one VirtualService: every match of every entry becomes a route, in order, up to the first that matches everything.
// Called by virtual-services.ts once per object, whatever the number of its hosts.
// Invariant: an entry whose action is not in force keeps its place and answers 501 (no destinations), so that its requests do not
// fall through to a later entry that was not meant for them.
import { type Finding, finding } from '../../api/finding.ts'
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
  let isCovered = false
  for (const [index, entry] of (object.spec.http ?? []).entries()) {
    const field = `spec.http[${index}]`
    const { destinations, findings: ofDestinations } = destinationsOf(object, entry, field, draft, input)
    findings.push(...ofDestinations)
    for (const { match, name, at, problem } of matchesOf(entry, field, input)) {
      if (problem !== undefined) findings.push(finding('LTN0211', object, problem.path, { problem: problem.message }))
      if (match === undefined) continue
      if (isCovered) {
        findings.push(finding('LTN0210', object, at, {}))
        continue
      }
      routes.push({ name, match, destinations, field: at })
      isCovered = matchesEverything(match)
    }
  }
  return { routes, findings }
}

interface NamedMatch {
  /** Undefined: nothing can match it here. */
  readonly match: HttpMatch | undefined
  readonly name: string
  readonly at: string
  readonly problem: { readonly path: string; readonly message: string } | undefined
}

function matchesOf(entry: HTTPRoute, field: string, input: CompileInput): readonly NamedMatch[] {
  const matches = entry.match ?? []
  const routeName = entry.name ?? ''
  if (matches.length === 0) return [{ match: EVERYTHING, name: routeName, at: field, problem: undefined }]
  return matches.map((request, index) => {
    const at = `${field}.match[${index}]`
    const name = [routeName, request.name ?? ''].filter((part) => part !== '').join('.')
    if (!canMatchHere(request)) return { match: undefined, name, at, problem: undefined }
    const compiled = compileMatch(request, at, input.compileRegex)
    if (compiled.ok) return { match: compiled.value, name, at, problem: undefined }
    return { match: undefined, name, at, problem: compiled.problems[0] }
  })
}

/** A condition on the client that is not in force must not widen the match, so such a match is left out (validation says so), and
 *  one for gateways only is not for sidecars. */
function canMatchHere(request: HTTPMatchRequest): boolean {
  const { sourceLabels, sourceNamespace, gateways } = request
  if (sourceLabels !== undefined || sourceNamespace !== undefined) return false
  return gateways === undefined || gateways.length === 0 || gateways.includes('mesh')
}
