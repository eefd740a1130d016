// What of Istio's MeshConfig concerns injection: the default ProxyConfig, the trust domain, whether metrics are merged. Pure. Called by the
// composition root with the MeshConfig in force and by kube-inject with a file. All other fields are the operator's business.
import { parse } from 'yaml'
import { isRecord } from '../api/record.ts'
import { errorMessage } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import type { InjectorConfig } from './injector-config.ts'
import type { Json } from './pod.ts'

export interface InjectionMesh {
  readonly config: InjectorConfig
  readonly meshDefaults: Json
}

export function withMeshConfig(config: InjectorConfig, meshConfig: string): Result<InjectionMesh> {
  let mesh: unknown
  try {
    mesh = parse(meshConfig, { maxAliasCount: 100 }) ?? {}
  } catch (error) {
    return fail('', `MeshConfig is not valid YAML: ${errorMessage(error)}`)
  }
  return isRecord(mesh) ? withMeshSpec(config, mesh) : fail('', 'MeshConfig must be a mapping of fields')
}

/** @param mesh the fields of a MeshConfig. */
export function withMeshSpec(config: InjectorConfig, mesh: Json): Result<InjectionMesh> {
  const { defaultConfig = {}, trustDomain, enablePrometheusMerge } = mesh
  if (!isRecord(defaultConfig)) return fail('defaultConfig', 'must be a mapping of fields')
  return succeed({
    config: {
      ...config,
      ...(typeof trustDomain === 'string' && trustDomain !== '' ? { trustDomain } : {}),
      ...(typeof enablePrometheusMerge === 'boolean' ? { mergeMetrics: enablePrometheusMerge } : {}),
    },
    meshDefaults: defaultConfig,
  })
}
