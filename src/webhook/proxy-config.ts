// Istio's ProxyConfig as a pod's annotation or as the mesh's default: which of its fields Lateen honours. Merged field by field, maps too.
// Called by settle-pod.ts and annotations.ts. Invariant: a field that is not honoured is named with what it would take.

import { isRecord } from '../api/record.ts'
import { parseDurationMs } from '../base/duration.ts'
import { suggest } from '../base/suggest.ts'
import type { Json } from './pod.ts'
import type { Draft } from './pod-settings.ts'

export interface Complain {
  /** Makes injection fail. */
  readonly refuse: (path: string, message: string) => void
  readonly warn: (text: string) => void
}

/** Sets what the value says, or says what is wrong with it. */
type Apply = (draft: Draft, value: unknown, warn: (text: string) => void) => string | undefined

const HONOURED: Readonly<Record<string, Apply>> = {
  discoveryAddress: (draft, value) => setControlPlane(draft, value),
  terminationDrainDuration: (draft, value) => {
    const parsed = parseDurationMs(String(value))
    if (!parsed.ok || parsed.value < 0) return "must be a duration such as '5s'"
    draft.config.drainTime = String(value)
    return undefined
  },
  proxyAdminPort: (draft, value) => setPort(value, 1, (port) => (draft.config.adminPort = port)),
  statusPort: (draft, value) => setPort(value, 0, (port) => (draft.config.statusPort = port)),
  concurrency: (draft, value) => {
    const count = isRecord(value) ? value.value : value
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > 64) return 'must be a whole number from 0 to 64'
    draft.config.concurrency = count
    return undefined
  },
  interceptionMode: (draft, value, warn) => setInterception(draft, value, warn),
  proxyMetadata: (draft, value, warn) => {
    if (!isRecord(value) || !Object.values(value).every((each) => typeof each === 'string')) return 'must map names to texts'
    draft.proxyMetadata = { ...draft.proxyMetadata, ...Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)])) }
    if (value.ISTIO_META_DNS_CAPTURE === 'true')
      warn(
        "proxyMetadata ISTIO_META_DNS_CAPTURE is not in force: the proxy does not answer DNS queries, so they go to the pod's resolver as before",
      )
    return undefined
  },
  holdApplicationUntilProxyStarts: (draft, value) => {
    if (typeof value !== 'boolean') return 'must be true or false'
    draft.config.holdApplicationUntilProxyStarts = value
    return undefined
  },
  meshId: (draft, value) => setText(value, (text) => (draft.config.meshId = text)),
  serviceCluster: (draft, value) => setText(value, (text) => (draft.serviceCluster = text)),
  tracingServiceName: (draft, value) => {
    const names = ['APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE']
    if (!names.includes(String(value))) return `must be one of ${names.join(', ')}`
    draft.tracingServiceName = String(value)
    return undefined
  },
}

/** Field -> what of it Lateen has instead, or why there is nothing to set. */
const NOT_HONOURED: Readonly<Record<string, string>> = {
  configPath: 'the proxy writes no configuration files',
  binaryPath: "the image's own program is run",
  controlPlaneAuthPolicy: 'the control plane is always reached over TLS',
  drainDuration: 'connections are closed gracefully when the proxy stops; set terminationDrainDuration',
  statNameLength: 'names of metrics are not shortened',
  tracing: 'use a Telemetry resource',
  runtimeValues: 'the proxy has no Envoy runtime',
  gatewayTopology: 'is not in force yet',
  proxyStatsMatcher: 'metrics are bounded by themselves',
  extraStatTags: 'use a Telemetry resource',
  readinessProbe: 'is for virtual machines',
  envoyAccessLogService: 'is not in force yet',
  envoyMetricsService: 'is not in force yet; Prometheus can scrape the proxy',
  envoyMetricsServiceAddress: 'is not in force yet; Prometheus can scrape the proxy',
  image: 'there is one image',
  caCertificatesPem: 'roots come from the control plane',
  privateKeyProvider: 'is not in force',
  proxyHeaders: 'is not in force yet',
  fileFlushInterval: 'access logs are written as they come',
  fileFlushMinSizeKb: 'access logs are written as they come',
  statsCompression: 'metrics are not compressed',
  connectionSettings: 'is not in force yet',
  availabilityZone: "is deprecated; the node's labels say it",
  zipkinAddress: 'is deprecated; use a Telemetry resource',
  discoveryRefreshDelay: 'is deprecated',
  sds: 'is deprecated',
}

export function applyProxyConfig(draft: Draft, config: Json, { refuse, warn }: Complain): void {
  for (const [field, value] of Object.entries(config)) {
    if (value === null || value === undefined) continue
    const apply = Object.hasOwn(HONOURED, field) ? HONOURED[field] : undefined
    if (apply !== undefined) {
      const problem = apply(draft, value, warn)
      if (problem !== undefined) refuse(field, problem)
      continue
    }
    const why = Object.hasOwn(NOT_HONOURED, field) ? NOT_HONOURED[field] : undefined
    if (why !== undefined) {
      warn(`ProxyConfig ${field} has no effect: ${why}`)
      continue
    }
    const close = suggest(field, [...Object.keys(HONOURED), ...Object.keys(NOT_HONOURED)])
    refuse(field, `is no field of ProxyConfig${close === undefined ? '' : `; did you mean '${close}'?`}`)
  }
}

export const PROXY_CONFIG_FIELDS = { honoured: Object.keys(HONOURED), notHonoured: NOT_HONOURED }

export function setControlPlane(draft: Draft, value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^.+:\d{1,5}$/.test(value)) return 'must be HOST:PORT'
  // A name configured for another address would not be in this one's certificate.
  draft.config.controlPlane = { address: value, name: '' }
  return undefined
}

export function setInterception(draft: Draft, value: unknown, warn: (text: string) => void): string | undefined {
  if (value === 'NONE') draft.config.capture = 'none'
  else if (value === 'REDIRECT' || value === 'TPROXY') draft.config.capture = 'init'
  else return 'must be REDIRECT, TPROXY or NONE'
  if (value === 'TPROXY')
    warn("interceptionMode TPROXY is not in force; REDIRECT is used: applications see 127.0.0.6 as the caller's address")
  return undefined
}

export function setPort(value: unknown, lowest: number, set: (port: number) => void): string | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < lowest || value > 65_535)
    return `must be a port number, ${lowest} to 65535`
  set(value)
  return undefined
}

function setText(value: unknown, set: (text: string) => void): string | undefined {
  if (typeof value !== 'string') return 'must be text'
  set(value)
  return undefined
}
