// The house's only string matcher: Envoy's StringMatcher and Istio's StringMatch both become this, so that "prefix" and
// "ignore case" mean one thing everywhere. Regular expressions are RE2 (linear time) and match the whole string.
import { fail, type Result, succeed } from './result.ts'

export type StringMatchSpec =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'regex'; readonly value: string }
  | { readonly kind: 'present' }

export type StringMatcher = (subject: string) => boolean

/** Compiles an RE2 pattern to a whole-string test. Injected, so that programs without a pattern never load the engine. */
export type RegexCompiler = (pattern: string) => Result<StringMatcher>

export function compileStringMatcher(spec: StringMatchSpec, compileRegex: RegexCompiler): Result<StringMatcher> {
  if (spec.kind === 'present') return succeed(() => true)
  if (spec.kind === 'regex') return compileRegex(spec.value)
  const value = spec.ignoreCase === true ? spec.value.toLowerCase() : spec.value
  const test = PLAIN[spec.kind]
  return succeed(spec.ignoreCase === true ? (subject) => test(subject.toLowerCase(), value) : (subject) => test(subject, value))
}

const PLAIN = {
  exact: (subject: string, value: string) => subject === value,
  prefix: (subject: string, value: string) => subject.startsWith(value),
  suffix: (subject: string, value: string) => subject.endsWith(value),
  contains: (subject: string, value: string) => subject.includes(value),
} as const

/** Prints the matcher as a person would say it; `lateen explain` and Findings use it. */
export function describeStringMatch(spec: StringMatchSpec): string {
  if (spec.kind === 'present') return 'is present'
  const suffix = spec.kind !== 'regex' && spec.ignoreCase === true ? ' (ignoring case)' : ''
  return `${spec.kind} ${JSON.stringify(spec.value)}${suffix}`
}

/** For callers that must not meet a pattern: every regex is a problem that says why. */
export const noRegex: RegexCompiler = (pattern) =>
  fail('', `the pattern ${JSON.stringify(pattern)} needs the RE2 engine, which is not loaded here`)
