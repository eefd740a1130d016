// What holds for the whole mesh. Given by the composition root (flags, MeshConfig), read by compile and generate.

import { DEFAULT_RETRIES, type Retries } from './http-action.ts'
import type { ConnectionPool } from './traffic-policy.ts'

export interface MeshSettings {
  /** The trust domain of every identity: `spiffe://<trustDomain>/ns/<namespace>/sa/<account>`. */
  readonly trustDomain: string
  /** Policies without a selector in this namespace apply to the whole mesh. */
  readonly rootNamespace: string
  /** `reviews` of namespace default is `reviews.default.svc.<domainSuffix>`. */
  readonly domainSuffix: string
  /** Name of this cluster in metrics and endpoint metadata. */
  readonly cluster: string
  readonly accessLog: AccessLogSettings | undefined
  /** What happens to requests for hosts that the mesh does not know. */
  readonly outboundTraffic: 'allow-any' | 'registry-only'
  /** Other names under which this mesh's identities are accepted (a trust domain that was renamed). */
  readonly trustDomainAliases: readonly string[]
  /** Whether sidecars use mutual TLS where both ends can. */
  readonly automaticMutualTls: boolean
  readonly connectTimeoutMs: number
  /** Of destinations that DNS resolves. */
  readonly dnsRefreshMs: number
  /** For objects without an exportTo of their own. */
  readonly defaultExportTo: {
    readonly service: readonly string[]
    readonly virtualService: readonly string[]
    readonly destinationRule: readonly string[]
  }
  /** Of routes that say nothing of retries. */
  readonly defaultRetries: Retries
  /** Of connections to destinations that say nothing of it. */
  readonly keepalive: NonNullable<ConnectionPool['keepalive']> | undefined
  /** HTTP/2 to every destination that is declared as HTTP. */
  readonly upgradesToHttp2: boolean
  /** How long the first bytes of a connection are waited for, before it counts as unrecognised; 0: for ever; undefined: Lateen's own. */
  readonly detectionTimeoutMs: number | undefined
  readonly pathNormalization: 'none' | 'base' | 'merge-slashes' | 'decode-and-merge-slashes'
  /** Between proxies of the mesh. */
  readonly meshTls: TlsDefaults
  /** Towards destinations outside, and at gateways. */
  readonly otherTls: TlsDefaults
  /** 'localhost': an application is called at the loopback address, whatever address the client called. */
  readonly inboundTraffic: 'passthrough' | 'localhost'
  /** Which namespaces the mesh sees: those that one of these selects; none: all. */
  readonly discoverySelectors: readonly NamespaceSelector[]
  /** Names of clusters in statistics, with Istio's placeholders; undefined: the cluster's own. */
  readonly statNames: { readonly inbound: string | undefined; readonly outbound: string | undefined }
}

/** All of it must be true of a namespace's labels (Kubernetes' label selector). */
export interface NamespaceSelector {
  readonly labels: Readonly<Record<string, string>>
  readonly expressions: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values: readonly string[]
  }[]
}

/** Empty lists: the proxy's own. */
export interface TlsDefaults {
  readonly min: '1.2' | '1.3'
  readonly cipherSuites: readonly string[]
  readonly curves: readonly string[]
}

const TLS_DEFAULTS: TlsDefaults = { min: '1.2', cipherSuites: [], curves: [] }

export interface AccessLogSettings {
  /** A file, for instance /dev/stdout. */
  readonly path: string
  /** Envoy's format string; undefined: Istio's text line. */
  readonly format: string | undefined
  /** Lines of JSON instead: these fields, each an Envoy format string; 'default': Istio's. */
  readonly json?: 'default' | Readonly<Record<string, unknown>>
}

export const DEFAULT_MESH_SETTINGS: MeshSettings = {
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  domainSuffix: 'cluster.local',
  cluster: 'Kubernetes',
  accessLog: undefined,
  outboundTraffic: 'allow-any',
  trustDomainAliases: [],
  automaticMutualTls: true,
  connectTimeoutMs: 10_000,
  dnsRefreshMs: 60_000,
  defaultExportTo: { service: ['*'], virtualService: ['*'], destinationRule: ['*'] },
  defaultRetries: DEFAULT_RETRIES,
  keepalive: undefined,
  upgradesToHttp2: false,
  detectionTimeoutMs: undefined,
  pathNormalization: 'base',
  meshTls: TLS_DEFAULTS,
  otherTls: TLS_DEFAULTS,
  inboundTraffic: 'passthrough',
  discoverySelectors: [],
  statNames: { inbound: undefined, outbound: undefined },
}

/** The fully qualified name of a Service: what routes, clusters and certificates' SNI are named after. */
export function serviceHostname(name: string, namespace: string, settings: Pick<MeshSettings, 'domainSuffix'>): string {
  return `${name}.${namespace}.svc.${settings.domainSuffix}`
}
