// `lateen version`: this program's version, and the running mesh's when there is one. Asks a cluster only when
// options mean one: who wants to know a version must not wait for an API server.
import { LateenError } from '../base/errors.ts'
import { askVersion } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { addMeshOptions, findAnyMesh, type MeshOptions } from './find-any-mesh.ts'
import { findMesh } from './find-mesh.ts'
import { describeCommand, parse } from './parse.ts'

export async function version(args: readonly string[], context: CliContext): Promise<number> {
  const command = addMeshOptions(describeCommand('version', 'Show the version of this program and of the running mesh.')).option(
    '-o, --output <format>',
    'text or json',
    'text',
  )
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: MeshOptions & { output: string } = command.opts()
  const mesh = await meshVersion(options, context)
  const node = process.versions.node
  if (options.output === 'json') context.write(`${JSON.stringify({ lateen: context.version, node, mesh: mesh ?? null })}\n`)
  else context.write(`lateen ${context.version} (Node ${node})\n${mesh === undefined ? '' : `mesh   ${mesh}\n`}`)
  return EXIT.fine
}

async function meshVersion(options: MeshOptions, context: CliContext): Promise<string | undefined> {
  const { state, kubeconfig, context: name, systemNamespace, revision } = options
  const isNobodyMeant = [state, kubeconfig, name, systemNamespace, revision].every((each) => each === undefined)
  try {
    const { client } = isNobodyMeant ? await findMesh(undefined, context) : await findAnyMesh(options, context)
    return (await askVersion(client)).version
  } catch (error) {
    // No mesh, or several: this program's own version is still an answer.
    if (error instanceof LateenError && isNobodyMeant) return undefined
    throw error
  }
}
