// What a MeshConfig says of everything that does not say it itself: retries, keep-alive, TLS, paths, statistics. Called by mesh-config.ts.
// Invariant: a value that no proxy would take is left out here, so that one slip does not make proxies refuse everything they are sent.
import type {
  MeshConfigSpec,
  TcpKeepalive,
  NamespaceSelector as WrittenSelector,
  TlsDefaults as WrittenTls,
} from '../../api/generated/mesh-config.gen.ts'
import { knownCipherSuites, knownCurves } from '../../api/validate/cipher-suites.ts'
import { parseDurationMs } from '../../base/duration.ts'
import type { MeshSettings, NamespaceSelector, TlsDefaults } from '../../model/mesh-settings.ts'
import { durationMs } from './duration-ms.ts'
import { retriesOf } from './retries.ts'

type Defaults = Pick<
  MeshSettings,
  | 'defaultRetries'
  | 'keepalive'
  | 'upgradesToHttp2'
  | 'detectionTimeoutMs'
  | 'pathNormalization'
  | 'meshTls'
  | 'otherTls'
  | 'inboundTraffic'
  | 'statNames'
  | 'discoverySelectors'
>

export function meshDefaults(base: MeshSettings, spec: MeshConfigSpec): Defaults {
  return {
    defaultRetries: retriesOf(spec.defaultHttpRetryPolicy) ?? base.defaultRetries,
    keepalive: keepaliveOf(spec.tcpKeepalive) ?? base.keepalive,
    upgradesToHttp2: spec.h2UpgradePolicy === undefined ? base.upgradesToHttp2 : spec.h2UpgradePolicy === 'UPGRADE',
    detectionTimeoutMs: detectionTimeoutOf(spec.protocolDetectionTimeout) ?? base.detectionTimeoutMs,
    pathNormalization: PATH_NORMALIZATIONS[spec.pathNormalization?.normalization ?? ''] ?? base.pathNormalization,
    meshTls: tlsDefaultsOf(spec.meshMTLS) ?? base.meshTls,
    otherTls: tlsDefaultsOf(spec.tlsDefaults) ?? base.otherTls,
    inboundTraffic: INBOUND_TRAFFIC[spec.inboundTrafficPolicy?.mode ?? ''] ?? base.inboundTraffic,
    discoverySelectors: spec.discoverySelectors?.map(selectorOf) ?? base.discoverySelectors,
    statNames: {
      inbound: filled(spec.inboundClusterStatName) ?? base.statNames.inbound,
      outbound: filled(spec.outboundClusterStatName) ?? base.statNames.outbound,
    },
  }
}

function selectorOf({ matchLabels = {}, matchExpressions = [] }: WrittenSelector): NamespaceSelector {
  return {
    labels: matchLabels,
    expressions: matchExpressions.map(({ key, operator, values = [] }) => ({ key, operator, values })),
  }
}

const PATH_NORMALIZATIONS: Readonly<Record<string, MeshSettings['pathNormalization']>> = {
  DEFAULT: 'base',
  NONE: 'none',
  BASE: 'base',
  MERGE_SLASHES: 'merge-slashes',
  DECODE_AND_MERGE_SLASHES: 'decode-and-merge-slashes',
}

const INBOUND_TRAFFIC: Readonly<Record<string, MeshSettings['inboundTraffic']>> = { PASSTHROUGH: 'passthrough', LOCALHOST: 'localhost' }

function keepaliveOf(written: TcpKeepalive | undefined): MeshSettings['keepalive'] {
  if (written === undefined) return undefined
  const [timeSeconds, intervalSeconds] = [secondsOf(written.time), secondsOf(written.interval)]
  return {
    ...(written.probes === undefined || written.probes === 0 ? {} : { probes: written.probes }),
    ...(timeSeconds === undefined ? {} : { timeSeconds }),
    ...(intervalSeconds === undefined ? {} : { intervalSeconds }),
  }
}

function secondsOf(text: string | undefined): number | undefined {
  const ms = durationMs(text)
  return ms === undefined ? undefined : Math.max(1, Math.round(ms / 1000))
}

/** 0 is a value: no limit. */
function detectionTimeoutOf(text: string | undefined): number | undefined {
  const parsed = text === undefined ? undefined : parseDurationMs(text)
  return parsed?.ok === true && parsed.value >= 0 ? Math.floor(parsed.value) : undefined
}

function tlsDefaultsOf(written: WrittenTls | undefined): TlsDefaults | undefined {
  if (written === undefined) return undefined
  return {
    min: written.minProtocolVersion === 'TLSV1_3' ? '1.3' : '1.2',
    cipherSuites: knownCipherSuites(written.cipherSuites),
    curves: knownCurves(written.ecdhCurves),
  }
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
