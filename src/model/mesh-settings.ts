// What holds for the whole mesh. Given by the composition root (flags, MeshConfig), read by compile and generate.

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
}

export interface AccessLogSettings {
  /** A file, for instance /dev/stdout. */
  readonly path: string
  /** Envoy's format string; undefined: Istio's text line. */
  readonly format: string | undefined
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
}

/** The fully qualified name of a Service: what routes, clusters and certificates' SNI are named after. */
export function serviceHostname(name: string, namespace: string, settings: Pick<MeshSettings, 'domainSuffix'>): string {
  return `${name}.${namespace}.svc.${settings.domainSuffix}`
}
