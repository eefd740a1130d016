// One match of a VirtualService as conditions of the mesh. Called by http-routes.ts.
// Invariant: what a proxy would refuse (a bad pattern, an impossible header name) never leaves here: it would cost a whole route table.
import type { HTTPMatchRequest, StringMatch } from '../../api/generated/virtual-service.gen.ts'
import type { RegexCompiler, StringMatchSpec } from '../../base/string-matcher.ts'
import type { ClientMatch } from '../../model/client-match.ts'
import type { HeaderMatch, HttpMatch } from '../../model/traffic-route.ts'
import { compareText } from './mesh-draft.ts'

/** RFC 9110 5.1 (token), and pseudo-headers. */
const HEADER_NAME = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/

/** Undefined: a pattern or a header name is none (validation says so), so nothing can match. */
export function compileMatch(request: HTTPMatchRequest, compileRegex: RegexCompiler): HttpMatch | undefined {
  const ignoreCase = request.ignoreUriCase === true
  const path = request.uri === undefined ? undefined : pathSpec(request.uri, ignoreCase)
  const headers = [...pseudoHeaders(request), ...headersOf(request.headers, false), ...headersOf(request.withoutHeaders, true)]
  const queryParameters = sortedEntries(request.queryParams).map(([name, match]) => ({ name, value: stringSpec(match) }))
  const specs = [path, ...headers.map(({ value }) => value), ...queryParameters.map(({ value }) => value)]
  if (!specs.every((spec) => isPattern(spec, compileRegex))) return undefined
  if (!headers.every(({ name }) => HEADER_NAME.test(name)) || queryParameters.some(({ name }) => name === '')) return undefined
  return { path, headers, queryParameters, port: portOf(request.port), client: clientMatch(request) }
}

/** Who must be calling, of http and l4 matches alike; undefined: anybody. */
export function clientMatch(match: Pick<HTTPMatchRequest, 'sourceLabels' | 'sourceNamespace'>): ClientMatch | undefined {
  const { sourceLabels = {}, sourceNamespace } = match
  const namespace = sourceNamespace === '' ? undefined : sourceNamespace
  if (namespace === undefined && Object.keys(sourceLabels).length === 0) return undefined
  return { labels: Object.fromEntries(sortedEntries(sourceLabels)), namespace }
}

/** 0 is 'not set' in Istio. */
export function portOf(port: number | undefined): number | undefined {
  return port === 0 ? undefined : port
}

function pathSpec(match: StringMatch, ignoreCase: boolean): StringMatchSpec | undefined {
  const spec = stringSpec(match)
  if (spec.kind === 'present') return undefined
  return spec.kind === 'regex' || !ignoreCase ? spec : { ...spec, ignoreCase }
}

/** An empty match, an empty prefix and the pattern '*' ask for presence. */
function stringSpec(match: StringMatch): StringMatchSpec {
  if (match.exact !== undefined) return { kind: 'exact', value: match.exact }
  if (match.prefix !== undefined) return match.prefix === '' ? { kind: 'present' } : { kind: 'prefix', value: match.prefix }
  const isPresence = match.regex === undefined || match.regex === '' || match.regex === '*'
  return isPresence ? { kind: 'present' } : { kind: 'regex', value: match.regex ?? '' }
}

function pseudoHeaders(request: HTTPMatchRequest): readonly HeaderMatch[] {
  const matches: readonly (readonly [string, StringMatch | undefined])[] = [
    [':method', request.method],
    [':authority', request.authority],
    [':scheme', request.scheme],
  ]
  return matches.flatMap(([name, match]) => (match === undefined ? [] : [{ name, value: stringSpec(match), inverted: false }]))
}

function headersOf(matches: Readonly<Record<string, StringMatch>> | undefined, inverted: boolean): readonly HeaderMatch[] {
  return sortedEntries(matches).map(([name, match]) => ({ name: name.toLowerCase(), value: stringSpec(match), inverted }))
}

function sortedEntries<V>(record: Readonly<Record<string, V>> | undefined): readonly (readonly [string, V])[] {
  return Object.entries(record ?? {}).sort(([a], [b]) => compareText(a, b))
}

function isPattern(spec: StringMatchSpec | undefined, compileRegex: RegexCompiler): boolean {
  return spec?.kind !== 'regex' || compileRegex(spec.value).ok
}
