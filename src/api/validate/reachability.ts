// Rules that nothing reaches, because an earlier one takes everything, is the same, or asks for less. Warnings, as the rule does no harm.
// Invariant: what is reported is certain: conditions that cannot be compared (patterns beside patterns) are left alone. Bounded: a match
// is compared with as many earlier ones as a person would read.
import { canonicalJson } from '../../base/content-hash.ts'
import { type FieldPath, formatPath } from '../field-path.ts'
import type { HTTPMatchRequest, HTTPRoute, StringMatch, TCPRoute, TLSRoute } from '../generated/virtual-service.gen.ts'
import { isRecord } from '../record.ts'
import type { Report } from '../report.ts'

/** Of one object; ten thousand matches compared with each other would be a minute of work. */
const MAX_COMPARED = 200

interface EarlierMatch {
  readonly match: HTTPMatchRequest
  readonly at: string
}

export function checkReachability(routes: readonly HTTPRoute[], path: FieldPath, report: Report): void {
  const seen = new Map<string, string>()
  const earlier: EarlierMatch[] = []
  let catchAll: string | undefined
  routes.forEach((route, index) => {
    const at = [...path, index]
    if (catchAll !== undefined) {
      report('LTN0144', at, { earlier: catchAll }, 'key')
      return
    }
    const isDelegated = route.delegate !== undefined
    const matches = route.match ?? []
    matches.forEach((match, number) => {
      const here = [...at, 'match', number]
      const key = canonicalJson(conditionsOf(match))
      const same = seen.get(key)
      const wider = same === undefined ? earlier.find((each) => covers(each.match, match)) : undefined
      if (same !== undefined) report('LTN0145', here, { earlier: same, how: 'is the same' }, 'key')
      else if (wider !== undefined) report('LTN0145', here, { earlier: wider.at, how: 'matches all that it could match' }, 'key')
      if (same !== undefined) return
      // What a delegate does not take goes on to the next rule.
      if (isDelegated) return
      seen.set(key, formatPath(here))
      if (earlier.length < MAX_COMPARED) earlier.push({ match, at: formatPath(here) })
    })
    if (!isDelegated && (matches.length === 0 || matches.some(matchesAll))) catchAll = formatPath(at)
  })
}

/** The sections of connections: an entry without conditions takes every one; of two equal matches the first has it. */
export function checkL4Reachability(routes: readonly (TLSRoute | TCPRoute)[], path: FieldPath, report: Report): void {
  const seen = new Map<string, string>()
  let catchAll: string | undefined
  routes.forEach(({ match: matches = [] }, index) => {
    const at = [...path, index]
    if (catchAll !== undefined) {
      report('LTN0144', at, { earlier: catchAll }, 'key')
      return
    }
    matches.forEach((match, number) => {
      const key = canonicalJson(match)
      const same = seen.get(key)
      if (same === undefined) seen.set(key, formatPath([...at, 'match', number]))
      else report('LTN0145', [...at, 'match', number], { earlier: same, how: 'is the same' }, 'key')
    })
    if (matches.length === 0 || matches.some((match) => Object.keys(match).length === 0)) catchAll = formatPath(at)
  })
}

function conditionsOf(match: HTTPMatchRequest): Readonly<Record<string, unknown>> {
  const { name: _name, statPrefix: _statPrefix, ...conditions } = match
  return conditions
}

function matchesAll(match: HTTPMatchRequest): boolean {
  const { uri, ignoreUriCase: _ignore, ...others } = conditionsOf(match)
  const everyUri = uri === undefined || canonicalJson(uri) === '{"prefix":"/"}'
  return everyUri && Object.keys(others).length === 0
}

/** Whether every request that fits `narrow` fits `wide`, as far as can be told. */
function covers(wide: HTTPMatchRequest, narrow: HTTPMatchRequest): boolean {
  const { uri, ignoreUriCase, ...others } = conditionsOf(wide)
  if (!coversUri(wide.uri, ignoreUriCase === true, narrow)) return false
  const asked = conditionsOf(narrow)
  return Object.entries(others).every(([field, condition]) => isAskedToo(condition, asked[field]))
}

/** Every condition of a map (headers, labels) must be among the others'; single ones must be equal. */
function isAskedToo(condition: unknown, asked: unknown): boolean {
  if (asked === undefined) return false
  if (!isRecord(condition) || !isRecord(asked)) return canonicalJson(condition) === canonicalJson(asked)
  return Object.entries(condition).every(
    ([name, value]) => asked[name] !== undefined && canonicalJson(value) === canonicalJson(asked[name]),
  )
}

function coversUri(wide: StringMatch | undefined, ignoresCase: boolean, { uri, ignoreUriCase }: HTTPMatchRequest): boolean {
  if (wide === undefined || wide.prefix === '/') return true
  if (uri === undefined || (ignoreUriCase === true && !ignoresCase)) return false
  const fold = (text: string): string => (ignoresCase ? text.toLowerCase() : text)
  const begins = uri.exact ?? uri.prefix
  if (wide.prefix !== undefined) return begins !== undefined && fold(begins).startsWith(fold(wide.prefix))
  if (wide.exact !== undefined) return uri.exact !== undefined && fold(uri.exact) === fold(wide.exact)
  return canonicalJson(wide) === canonicalJson(uri)
}
