// Parts that many kinds share: string matches, headers, labels, selectors, ports. Each reports what is wrong and returns nothing.
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { FieldPath } from '../field-path.ts'
import type { Report } from '../report.ts'

interface StringMatchLike {
  readonly exact?: string
  readonly prefix?: string
  readonly regex?: string
}

const MAX_PATTERN_LENGTH = 1024

export function checkRegex(pattern: string, path: FieldPath, report: Report, compile: RegexCompiler | undefined): void {
  const problem = regexProblem(pattern, compile)
  if (problem !== undefined) report('LTN0134', path, { pattern: JSON.stringify(pattern.slice(0, 80)), problem })
}

function regexProblem(pattern: string, compile: RegexCompiler | undefined): string | undefined {
  if (pattern === '') return 'it is empty'
  if (pattern.length > MAX_PATTERN_LENGTH) return `it has more than ${MAX_PATTERN_LENGTH} characters`
  const compiled = compile?.(pattern)
  return compiled === undefined || compiled.ok ? undefined : compiled.problems.map(({ message }) => message).join('; ')
}

export function checkStringMatch(
  match: StringMatchLike | undefined,
  path: FieldPath,
  report: Report,
  options: { readonly compileRegex?: RegexCompiler | undefined; readonly emptyPrefix?: boolean; readonly starRegex?: boolean },
): void {
  if (match === undefined) return
  if (match.prefix === '' && options.emptyPrefix !== true) report('LTN0136', [...path, 'prefix'], { what: 'a prefix', needed: 'text' })
  // '*' is no pattern, but people write it for 'present' and Istio accepts it where presence can be meant.
  if (match.regex !== undefined && !(match.regex === '*' && options.starRegex === true)) {
    checkRegex(match.regex, [...path, 'regex'], report, options.compileRegex)
  }
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

export function checkHeaderName(name: string, path: FieldPath, report: Report): void {
  const problem = name === '' ? 'a header needs a name' : TOKEN.test(name) ? undefined : 'it is not the name of a header'
  if (problem !== undefined) report('LTN0137', path, { value: name, problem }, 'key')
}

/** Text of a header: Envoy's `%FORMAT%` operators must be closed, and no control character may end the line early. */
export function checkHeaderValue(value: string, path: FieldPath, report: Report): void {
  for (const character of value) {
    const code = character.charCodeAt(0)
    if ((code < 32 && code !== 9) || code === 127)
      return report('LTN0137', path, { value: JSON.stringify(value), problem: 'it has control characters' })
  }
  if ((value.replaceAll('%%', '').match(/%/g)?.length ?? 0) % 2 === 1) {
    report('LTN0137', path, { value, problem: "a '%' is not closed (a plain percent sign is '%%')" })
  }
}

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
const LABEL_PREFIX = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/

export function checkLabels(labels: Readonly<Record<string, string>> | undefined, path: FieldPath, report: Report): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const [name = '', prefix, ...rest] = key.split('/').reverse()
    const nameIsGood = rest.length === 0 && name !== '' && LABEL_VALUE.test(name) && (prefix === undefined || LABEL_PREFIX.test(prefix))
    if (!nameIsGood) report('LTN0140', [...path, key], { value: key, part: 'name' }, 'key')
    if (!LABEL_VALUE.test(value)) report('LTN0140', [...path, key], { value, part: 'value' })
  }
}

export function checkSelector(
  selector: { readonly matchLabels?: Readonly<Record<string, string>> } | undefined,
  path: FieldPath,
  report: Report,
): void {
  if (selector === undefined) return
  checkLabels(selector.matchLabels, [...path, 'matchLabels'], report)
  if (Object.keys(selector.matchLabels ?? {}).length === 0) report('LTN0146', path, {}, 'key')
}

/** 0 stands for 'not set', as in protobuf. */
export function checkPort(port: number | undefined, path: FieldPath, report: Report): void {
  if (port !== undefined && port > 65535) report('LTN0117', path, { value: port, bound: 'at most 65535' })
}

export function checkPercentage(percent: { readonly value?: number } | undefined, path: FieldPath, report: Report): void {
  const value = percent?.value
  if (value === undefined || value === 0) return
  if (value < 0.0001 || value > 100) report('LTN0117', [...path, 'value'], { value, bound: '0, or 0.0001 to 100' })
}
