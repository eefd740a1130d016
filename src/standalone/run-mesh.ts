// `lateen run DIR` from its options to the end: state folder, mesh number, guardian, supervisor. Called by cli/run.ts.
import { statSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { AddressStrategy } from './address-plan.ts'
import { claimFolder } from './claim-folder.ts'
import { claimMeshNumber } from './free-ports.ts'
import { startGuardian } from './guardian.ts'
import { createOutput } from './output.ts'
import { type MeshSettings, openStateFolder, readSettings, stateFolderPath, writePrivateFile } from './state-folder.ts'
import { Supervisor } from './supervisor.ts'

export interface RunOptions {
  readonly dir: string
  /** Undefined: the folder that belongs to the directory. */
  readonly state: string | undefined
  readonly strategy: AddressStrategy
  readonly ingressPort: number | undefined
  readonly program: readonly string[]
  /** The node that runs all this. */
  readonly node: string
  /** Node's options for a sidecar's process: it needs less memory than Node gives itself. */
  readonly sidecarNodeOptions: readonly string[]
  readonly version: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly write: (text: string) => void
  readonly colour: boolean
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

export async function runMesh(options: RunOptions): Promise<void> {
  const dir = path.resolve(options.dir)
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new LateenError(
      'NO_DIRECTORY',
      `${dir} is not a directory. Give the directory with the YAML files of the mesh: npx lateen run samples/bookinfo/mesh`,
    )
  }
  const folder = openStateFolder(path.resolve(options.state ?? stateFolderPath(dir, options.env)))
  const letGo = await claimFolder(folder, dir)
  const number = await claimMeshNumber(readSettings(folder)?.mesh)
  const settings: MeshSettings = { dir, mesh: number.mesh, strategy: options.strategy, ingressPort: options.ingressPort }
  writePrivateFile(folder.settingsFile, `${JSON.stringify(settings, null, 2)}\n`)
  const guardian = startGuardian([...options.program, 'guardian'], options.env)
  const output = createOutput(options.write, options.colour)
  output.say(`mesh of ${dir}; state in ${folder.path}`)
  try {
    const { program, sidecarNodeOptions, env, version, clock, random, signal } = options
    const nodeFolder = path.dirname(options.node)
    await new Supervisor({
      dir,
      folder,
      program,
      sidecarNodeOptions,
      env,
      nodeFolder,
      version,
      clock,
      random,
      guardian,
      output,
      signal,
    }).run()
  } finally {
    await guardian.dismiss()
    number.release()
    letGo()
  }
}
