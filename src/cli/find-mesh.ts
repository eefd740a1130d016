// Which mesh does a command mean? The one of --state; else the only one that runs; else the one whose directory we are in.
import path from 'node:path'
import { LateenError } from '../base/errors.ts'
import { connectMesh, isUnreachable, type MeshClient } from '../standalone/mesh-client.ts'
import { describeStateFolder, knownStateFolders, readSettings, stateRoot } from '../standalone/state-folder.ts'
import type { CliContext } from './command.ts'

export interface RunningMesh {
  readonly client: MeshClient
  readonly state: string
  readonly dir: string
}

export const STATE_OPTION = ['--state <folder>', 'state folder of the mesh (default: the mesh that runs)'] as const

export async function findMesh(state: string | undefined, context: CliContext): Promise<RunningMesh> {
  if (state !== undefined) return describeMesh(path.resolve(context.cwd, state))
  const known = knownStateFolders(stateRoot(context.env)).map(describeMesh)
  const answers = await Promise.all(known.map(async (mesh) => ((await isRunning(mesh)) ? [mesh] : [])))
  const running = answers.flat()
  const [only, second] = running
  if (only === undefined)
    throw new LateenError('MESH_NOT_RUNNING', 'No mesh runs here. Start one with: npx lateen run samples/bookinfo/mesh')
  if (second === undefined) return only
  const inside = running.filter(({ dir }) => context.cwd === dir || context.cwd.startsWith(`${dir}${path.sep}`))
  if (inside.length === 1 && inside[0] !== undefined) return inside[0]
  const choices = running.map((mesh) => `  --state ${mesh.state}   (${mesh.dir})`).join('\n')
  throw new LateenError('MESH_AMBIGUOUS', `${running.length} meshes run on this machine; say which one you mean:\n${choices}`)
}

function describeMesh(state: string): RunningMesh {
  const folder = describeStateFolder(state)
  return { client: connectMesh(folder.socket), state, dir: readSettings(folder)?.dir ?? '' }
}

async function isRunning({ client }: RunningMesh): Promise<boolean> {
  try {
    await client.get('/v1/version')
    return true
  } catch (error) {
    return !isUnreachable(error)
  }
}
