// What the schema cannot say of a Telemetry: of some lists only the first entry counts.
import type { Telemetry } from '../generated/telemetry.gen.ts'
import type { Report } from '../report.ts'
import { checkHeaderName, checkSelector } from './matches.ts'
import { checkTargets } from './targets.ts'

export function checkTelemetry({ spec }: Telemetry, report: Report): void {
  const path = ['spec']
  checkSelector(spec.selector, [...path, 'selector'], report)
  checkTargets(spec, path, report)
  const { tracing = [], accessLogging = [] } = spec
  if (tracing.length > 1) report('LTN0147', [...path, 'tracing', 1], { field: 'tracing[1]', reason: 'only the first entry counts' }, 'key')
  tracing.forEach(({ providers = [], customTags = {} }, index) => {
    const at = [...path, 'tracing', index]
    if (providers.length > 1) {
      report('LTN0147', [...at, 'providers', 1], { field: 'providers[1]', reason: 'only one tracing provider is used, the first' }, 'key')
    }
    for (const [tag, { header }] of Object.entries(customTags)) {
      if (tag === '') report('LTN0136', [...at, 'customTags', tag], { what: 'a custom tag', needed: 'a name' }, 'key')
      if (header !== undefined) checkHeaderName(header.name, [...at, 'customTags', tag, 'header', 'name'], report)
    }
  })
  accessLogging.forEach(({ filter }, index) => {
    const at = [...path, 'accessLogging', index, 'filter', 'expression']
    const problem = filter === undefined ? undefined : expressionProblem(filter.expression ?? '')
    if (problem !== undefined) report('LTN0118', at, { value: filter?.expression ?? '', pattern: `a CEL expression (${problem})` })
  })
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** Not a parser of CEL: what is empty, not closed or not opened is surely none; the rest is judged where it runs. */
function expressionProblem(expression: string): string | undefined {
  if (expression.trim() === '') return 'it is empty'
  const open: string[] = []
  for (const [token] of expression.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|["'()[\]{}]/g)) {
    if (token === '"' || token === "'") return 'a quote is not closed'
    const closing = CLOSING[token]
    if (closing !== undefined) open.push(closing)
    else if (token.length === 1 && open.pop() !== token) return `'${token}' closes nothing`
  }
  return open.length === 0 ? undefined : `'${open.at(-1)}' is missing`
}
