// `lateen explain code LTN0101`: what a Finding's code means and what to do about it, from the catalogue inside the program: no network.
import { type CatalogueEntry, catalogue } from '../api/catalogue.ts'
import { suggest } from '../base/suggest.ts'
import { type CliContext, EXIT } from './command.ts'
import { describeCommand, parse } from './parse.ts'
import { table } from './table.ts'

const entries: ReadonlyMap<string, CatalogueEntry> = new Map(Object.entries(catalogue))

export async function explain(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('explain', 'Say what a code means, without a network. Without a code: all of them.')
    .argument('<subject>', "what to explain: 'code'")
    .argument('[code]', 'for example LTN0101')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const [subject, code] = command.args
  if (subject !== 'code') {
    context.writeError(`lateen: '${subject}' cannot be explained; write: npx lateen explain code LTN0101\n`)
    return EXIT.usage
  }
  if (code === undefined) {
    const rows = [...entries].map(([each, { severity, title }]) => [each, severity, title])
    context.write(table(['CODE', 'SEVERITY', 'MEANING'], rows))
    return EXIT.fine
  }
  const entry = entries.get(code.toUpperCase())
  if (entry === undefined) {
    context.writeError(`lateen: ${noSuchCode(code)}\n`)
    return EXIT.usage
  }
  context.write(explanation(code.toUpperCase(), entry))
  return EXIT.fine
}

export function isCode(code: string): boolean {
  return entries.has(code)
}

export function noSuchCode(code: string): string {
  const nearest = suggest(code.toUpperCase(), entries.keys())
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return `there is no code '${code}'${hint} All codes: npx lateen explain code`
}

function explanation(code: string, { severity, title, what, why, fix, example }: CatalogueEntry): string {
  const indented = example.replace(/^/gm, '    ')
  return `${code} (${severity}): ${title}\n\nMessage: ${what}\nWhy:     ${why}\nFix:     ${fix}\n\nExample:\n${indented}\n`
}
