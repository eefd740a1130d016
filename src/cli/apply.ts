// `lateen apply -f FILE`: changes the running mesh. A file with errors changes nothing; the findings say why.
import { hasErrors } from '../api/finding.ts'
import { formatRef } from '../api/object-meta.ts'
import { applyText } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { findMesh, STATE_OPTION } from './find-mesh.ts'
import { printFindings } from './findings.ts'
import { readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'

export async function apply(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand(
    'apply',
    'Create or change objects of the running mesh. What a file defines later wins over what was applied before.',
  )
    .requiredOption('-f, --filename <file...>', 'file, directory, or - for standard input')
    .option(...STATE_OPTION)
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: { filename: string[]; state?: string } = command.opts()
  const inputs = await readInputs(options.filename, context)
  const mesh = await findMesh(options.state, context)
  let refused = 0
  for (const { name, text } of inputs) {
    const { changes, findings } = await applyText(mesh.client, text, name)
    for (const { object, change } of changes) context.write(`${formatRef(object)} ${change}\n`)
    context.writeError(printFindings(findings, context))
    if (changes.length > 0 || !hasErrors(findings)) continue
    refused++
    context.writeError(`lateen: nothing of ${name} was applied, because of the errors above\n`)
  }
  if (refused === 0) return EXIT.fine
  return refused === inputs.length ? EXIT.problems : EXIT.partly
}
