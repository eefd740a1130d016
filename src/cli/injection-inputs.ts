// What `kube-inject` and `inject check` are told of the injector: its configuration and the mesh's, from files or the defaults.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { LateenError } from '../base/errors.ts'
import { formatProblems, type Result } from '../base/result.ts'
import { defaultInjectorConfig, type InjectorConfig, readInjectorConfig } from '../webhook/injector-config.ts'
import { type InjectionMesh, withMeshConfig } from '../webhook/mesh-config.ts'

export interface InjectionFiles {
  readonly injectorConfig?: string
  readonly meshConfig?: string
  readonly revision?: string
}

export function injectionMesh({ injectorConfig, meshConfig, revision }: InjectionFiles, cwd: string): InjectionMesh {
  const read = (file: string): string => readFileSync(path.resolve(cwd, file), 'utf8')
  const config = injectorConfig === undefined ? defaultInjectorConfig() : must(readInjectorConfig(read(injectorConfig)), injectorConfig)
  const revised = revision === undefined ? config : withRevision(config, revision, injectorConfig !== undefined)
  return meshConfig === undefined ? { config: revised, meshDefaults: {} } : must(withMeshConfig(revised, read(meshConfig)), meshConfig)
}

/** Without a file the control plane has the name that the chart gives it. */
function withRevision(config: InjectorConfig, revision: string, configured: boolean): InjectorConfig {
  const suffix = revision === 'default' ? '' : `-${revision}`
  const controlPlane = configured ? config.controlPlane : { address: `lateen-control-plane${suffix}.lateen-system.svc:15012`, name: '' }
  return { ...config, revision, controlPlane }
}

function must<T>(result: Result<T>, file: string): T {
  if (!result.ok) throw new LateenError('BAD_FILE', `${file}: ${formatProblems(result.problems)}`)
  return result.value
}
