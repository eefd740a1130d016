// What holds for one pod, as a value: read by every part of the injected pod, put together by settle-pod.ts from four sources.
import type { InjectorConfig } from './injector-config.ts'
import type { Json, Texts, Volume } from './pod.ts'

export type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

export interface PodSettings {
  readonly config: InjectorConfig
  readonly templates: readonly string[]
  /** Set by hand: a Kubernetes quantity each. If any is set, the configured resources are not used at all. */
  readonly ownResources: { readonly requests: Texts; readonly limits: Texts } | undefined
  /** ProxyConfig's proxyMetadata: variables of the proxy, and node metadata where the name begins with ISTIO_META_. */
  readonly proxyMetadata: Texts
  /** Undefined: app label and namespace. */
  readonly serviceCluster: string | undefined
  readonly tracingServiceName: string | undefined
  readonly virtualInterfaces: string
  readonly userVolumes: readonly Volume[]
  readonly userVolumeMounts: readonly Json[]
  readonly scrapeTargets: readonly { readonly port: number; readonly path: string }[]
}

/** While it is being put together. */
export type Draft = Omit<Writable<PodSettings>, 'config'> & { config: Writable<InjectorConfig> }
