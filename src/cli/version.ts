// `lateen version`: this program's version, and the running mesh's when there is one. Never asks anything outside this machine.
import { LateenError } from '../base/errors.ts'
import { askVersion } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { findMesh, STATE_OPTION } from './find-mesh.ts'
import { describeCommand, parse } from './parse.ts'

export async function version(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('version', 'Show the version of this program and of the running mesh.')
    .option('-o, --output <format>', 'text or json', 'text')
    .option(...STATE_OPTION)
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: { output: string; state?: string } = command.opts()
  const mesh = await meshVersion(options.state, context)
  const node = process.versions.node
  if (options.output === 'json') context.write(`${JSON.stringify({ lateen: context.version, node, mesh: mesh ?? null })}\n`)
  else context.write(`lateen ${context.version} (Node ${node})\n${mesh === undefined ? '' : `mesh   ${mesh}\n`}`)
  return EXIT.fine
}

async function meshVersion(state: string | undefined, context: CliContext): Promise<string | undefined> {
  try {
    return (await askVersion((await findMesh(state, context)).client)).version
  } catch (error) {
    // No mesh, or several: this program's own version is still an answer.
    if (error instanceof LateenError && state === undefined) return undefined
    throw error
  }
}
