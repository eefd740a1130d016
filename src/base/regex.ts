// Users' regular expressions: RE2 (linear time), never RegExp, so that no pattern and no request can stall a process. The only place
// that knows re2js, and it is loaded when the first pattern needs it: exact, prefix, suffix and substring patterns become string
// operations, which is most of what Istio writes (`.*/ns/default/.*`).
// Invariant: a pattern matches the whole subject (Envoy: full match), and both its program and its subject are bounded.
import { createRequire } from 'node:module'
import type * as Re2js from 're2js'
import { errorMessage, LateenError } from './errors.ts'
import { fail, type Result, succeed } from './result.ts'
import type { RegexCompiler, StringMatcher } from './string-matcher.ts'

export const MAX_PATTERN_LENGTH = 4096
/** Instructions of the compiled program; an honest pattern has tens. */
export const MAX_PROGRAM_SIZE = 10_000
/** UTF-16 units. Header limits keep honest subjects far below. */
export const MAX_SUBJECT_LENGTH = 65_536

/** For routes: a subject beyond the cap matches nothing. */
export const compileRegex: RegexCompiler = (pattern) => compile(pattern, () => false)

/** For policies: a subject beyond the cap cannot be judged, and whoever asked must refuse. "No match" would pass a deny rule. */
export const compileStrictRegex: RegexCompiler = (pattern) =>
  compile(pattern, (length) => {
    throw new LateenError('SUBJECT_TOO_LONG', `a value of ${length} characters is too long to be matched against a pattern`)
  })

/** Replaces every match; `\1` in the substitution is the first group (Envoy: RegexMatchAndSubstitute). */
export function compileRegexRewrite(pattern: string, substitution: string): Result<(subject: string) => string> {
  const program = compileProgram(pattern)
  if (!program.ok) return program
  const groups = program.value.groupCount()
  const parts = substitution.split(/\\(\d|\\)/)
  const highest = Math.max(0, ...parts.filter((_, index) => index % 2 === 1).map((part) => (part === '\\' ? 0 : Number(part))))
  if (highest > groups) return fail('', `the substitution names group \\${highest}, but the pattern has ${groups}`)
  const replacement = (...found: readonly unknown[]): string =>
    parts.map((part, index) => (index % 2 === 0 ? part : part === '\\' ? '\\' : String(found[Number(part)] ?? ''))).join('')
  return succeed((subject) =>
    subject.length > MAX_SUBJECT_LENGTH ? subject : program.value.matcher(subject).replaceAll(replacement as () => string),
  )
}

function compile(pattern: string, whenTooLong: (length: number) => boolean): Result<StringMatcher> {
  const plain = plainMatcher(pattern)
  if (plain !== undefined) return succeed(plain)
  const program = compileProgram(pattern)
  if (!program.ok) return program
  const engine = program.value
  return succeed((subject) => (subject.length > MAX_SUBJECT_LENGTH ? whenTooLong(subject.length) : engine.testExact(subject)))
}

let engine: typeof Re2js | undefined

function compileProgram(pattern: string): Result<Re2js.RE2JS> {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return fail('', `the pattern has ${pattern.length} characters; at most ${MAX_PATTERN_LENGTH} are allowed`)
  }
  // Loaded synchronously, so that decoding stays a pure function; the module is optional until a pattern needs it.
  engine ??= createRequire(import.meta.url)('re2js') as typeof Re2js
  try {
    const program = engine.RE2JS.compile(pattern)
    const size = program.programSize()
    if (size > MAX_PROGRAM_SIZE) return fail('', `the pattern compiles to ${size} instructions; at most ${MAX_PROGRAM_SIZE} are allowed`)
    return succeed(program)
  } catch (error) {
    return fail('', `'${pattern}' is not a valid RE2 expression: ${errorMessage(error)}`)
  }
}

/** The pattern as a string operation, when it is literal text with at most `.*` before and after. '.' never matches a line break in
 *  RE2; the subjects here (paths, header values, names) cannot hold one. */
function plainMatcher(pattern: string): StringMatcher | undefined {
  let start = pattern.startsWith('^') ? 1 : 0
  let end = pattern.length
  if (pattern.endsWith('$') && !pattern.endsWith('\\$')) end--
  const openStart = pattern.startsWith('.*', start) && start + 2 <= end
  if (openStart) start += 2
  if (start === end) return openStart ? () => true : (subject) => subject === ''
  const openEnd = end - start >= 2 && pattern.endsWith('.*', end) && pattern[end - 3] !== '\\'
  if (openEnd) end -= 2
  const literal = unescapeLiteral(pattern.slice(start, end))
  if (literal === undefined) return undefined
  if (openStart && openEnd) return (subject) => subject.includes(literal)
  if (openStart) return (subject) => subject.endsWith(literal)
  return openEnd ? (subject) => subject.startsWith(literal) : (subject) => subject === literal
}

const META = /[.*+?^${}()|[\]\\]/

/** Undefined when the text is more than literal characters and escaped punctuation. */
function unescapeLiteral(text: string): string | undefined {
  let literal = ''
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === '\\') {
      const next = text[++index]
      if (next === undefined || /[A-Za-z0-9]/.test(next)) return undefined
      literal += next
    } else if (META.test(character)) return undefined
    else literal += character
  }
  return literal
}
