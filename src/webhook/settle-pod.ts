// What holds for one pod: the injector's configuration, the mesh's default ProxyConfig, the pod's own ProxyConfig and its annotations, each
// over the one before. Pure. Called by inject.ts. Invariant: what a person wrote is in force, or a warning names it, or the pod is refused.
import type { Problem, Result } from '../base/result.ts'
import { applyAnnotations } from './annotations.ts'
import type { InjectorConfig } from './injector-config.ts'
import type { Json, Pod } from './pod.ts'
import type { Draft, PodSettings } from './pod-settings.ts'
import { applyProxyConfig } from './proxy-config.ts'

export interface SettledPod {
  readonly settings: PodSettings
  readonly warnings: readonly string[]
}

/** @param meshDefaults MeshConfig's defaultConfig; what it says that is not in force is reported where it is read, not at every pod. */
export function settlePod(pod: Pod, config: InjectorConfig, meshDefaults: Json): Result<SettledPod> {
  const draft: Draft = {
    config: { ...config },
    templates: config.defaultTemplates,
    ownResources: undefined,
    proxyMetadata: {},
    serviceCluster: undefined,
    tracingServiceName: undefined,
    virtualInterfaces: '',
    userVolumes: [],
    userVolumeMounts: [],
    scrapeTargets: [],
  }
  const warnings: string[] = []
  const problems: Problem[] = []
  const refuse = (path: string, message: string): void => void problems.push({ path, message })
  applyProxyConfig(draft, meshDefaults, {
    refuse: (field, message) => refuse(`MeshConfig defaultConfig.${field}`, message),
    warn: () => undefined,
  })
  applyAnnotations(draft, pod.metadata.annotations ?? {}, { refuse, warn: (text) => void warnings.push(text) })
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, value: { settings: draft, warnings } }
}
