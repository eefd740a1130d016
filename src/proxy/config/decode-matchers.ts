// Envoy's small matchers (StringMatcher, HeaderMatcher, CidrRange) as compiled tests. Used by routes, policies and TLS, so that
// 'prefix' and 'ignore case' mean one thing everywhere.
// Invariant: a matcher without a pattern is a problem, never one that matches everything.
import { type Cidr, parseCidr } from '../../base/cidr.ts'
import type { RegexCompiler, StringMatcher, StringMatchSpec } from '../../base/string-matcher.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import type { HeaderMatch } from './proxy-config.ts'

export interface CompiledMatch {
  readonly spec: StringMatchSpec
  readonly matches: StringMatcher
}

export function decodeStringMatch(
  matcher: envoy.StringMatcher | undefined,
  at: string,
  context: DecodeContext,
  compiler?: RegexCompiler,
): CompiledMatch | undefined {
  const spec = stringSpec(matcher)
  if (spec === undefined) return context.error(at, 'the matcher has no pattern: give exact, prefix, suffix, contains or safe_regex')
  const matches = context.string(spec, at, compiler)
  return matches === undefined ? undefined : { spec, matches }
}

function stringSpec(matcher: envoy.StringMatcher | undefined): StringMatchSpec | undefined {
  if (matcher === undefined) return undefined
  const ignoreCase = matcher.ignoreCase === true
  if (matcher.safeRegex !== undefined) return { kind: 'regex', value: matcher.safeRegex.regex ?? '' }
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const value = matcher[kind]
    if (value !== undefined) return ignoreCase ? { kind, value, ignoreCase } : { kind, value }
  }
  return undefined
}

export function decodeHeaderMatch(
  matcher: envoy.HeaderMatcher,
  at: string,
  context: DecodeContext,
  compiler?: RegexCompiler,
): HeaderMatch | undefined {
  const name = (matcher.name ?? '').toLowerCase()
  if (name === '') return context.error(`${at}.name`, 'a header matcher needs a name')
  const inverted = matcher.invertMatch === true
  const missingIsEmpty = matcher.treatMissingHeaderAsEmpty === true
  if (matcher.rangeMatch !== undefined) {
    const start = matcher.rangeMatch.start ?? 0
    const end = matcher.rangeMatch.end ?? 0
    return { name, spec: { kind: 'range', start, end }, matches: inRange(start, end), inverted, missingIsEmpty }
  }
  // `present_match: false` asks for absence; nothing at all asks for presence (Envoy: HeaderMatcher, 'present_match').
  if (matcher.presentMatch !== undefined || !hasPattern(matcher)) {
    const wantsAbsence = matcher.presentMatch === false
    return { name, spec: { kind: 'present' }, matches: () => true, inverted: inverted !== wantsAbsence, missingIsEmpty: false }
  }
  const compiled = decodeStringMatch(headerPattern(matcher), at, context, compiler)
  return compiled === undefined ? undefined : { name, ...compiled, inverted, missingIsEmpty }
}

function hasPattern(matcher: envoy.HeaderMatcher): boolean {
  const { exactMatch, prefixMatch, suffixMatch, containsMatch, safeRegexMatch, stringMatch } = matcher
  return [exactMatch, prefixMatch, suffixMatch, containsMatch, safeRegexMatch, stringMatch].some((each) => each !== undefined)
}

/** The deprecated forms beside `string_match` say the same thing. */
function headerPattern(matcher: envoy.HeaderMatcher): envoy.StringMatcher | undefined {
  if (matcher.stringMatch !== undefined) return matcher.stringMatch
  return {
    exact: matcher.exactMatch,
    prefix: matcher.prefixMatch,
    suffix: matcher.suffixMatch,
    contains: matcher.containsMatch,
    safeRegex: matcher.safeRegexMatch,
  }
}

function inRange(start: number, end: number): StringMatcher {
  return (value) => {
    if (!/^[+-]?\d+$/.test(value.trim())) return false
    const number = Number(value)
    return number >= start && number < end
  }
}

export function decodeCidr(range: envoy.CidrRange, at: string, context: DecodeContext): Cidr | undefined {
  const text = `${range.addressPrefix ?? ''}/${range.prefixLen ?? 0}`
  const cidr = parseCidr(text)
  return cidr ?? context.error(at, `'${text}' is not an address range`)
}

export function decodeCidrs(ranges: readonly envoy.CidrRange[] | undefined, at: string, context: DecodeContext): readonly Cidr[] {
  return (ranges ?? []).flatMap((range, index) => decodeCidr(range, `${at}[${index}]`, context) ?? [])
}
