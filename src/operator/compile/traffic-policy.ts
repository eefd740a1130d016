// A DestinationRule's trafficPolicy in the words of the mesh. Pure reading of one object; called by destination-rules.ts.
// Invariant: a block that sets nothing that this version acts on is still a block: it takes the place of its parent's.
import type {
  ClientTLSSettings,
  ConnectionPoolSettings,
  HTTPSettings,
  LoadBalancerSettings,
  OutlierDetection as OutlierSettings,
  PortTrafficPolicy,
  TrafficPolicy as TrafficPolicySpec,
} from '../../api/generated/destination-rule.gen.ts'
import { parseDurationMs } from '../../base/duration.ts'
import {
  type Balancing,
  type ClientTls,
  type ConnectionPool,
  NO_TRAFFIC_POLICY,
  type OutlierDetection,
  type PolicyBlocks,
  type TrafficPolicy,
} from '../../model/traffic-policy.ts'

/** @param capture without a redirect there is no original destination to pass through to. */
export function trafficPolicyOf(spec: TrafficPolicySpec | undefined, capture: 'bind' | 'redirect'): TrafficPolicy {
  if (spec === undefined) return NO_TRAFFIC_POLICY
  const ports = (spec.portLevelSettings ?? []).flatMap((each) => {
    const number = each.port?.number
    return number === undefined ? [] : [[String(number), blocksOf(each, capture)] as const]
  })
  // The first of a port wins.
  return { ...blocksOf(spec, capture), ports: Object.fromEntries(ports.reverse()) }
}

function blocksOf(
  { connectionPool, loadBalancer, outlierDetection, tls }: TrafficPolicySpec | PortTrafficPolicy,
  capture: 'bind' | 'redirect',
): PolicyBlocks {
  const balancing = balancingOf(loadBalancer, capture)
  return {
    ...(connectionPool === undefined ? {} : { pool: poolOf(connectionPool) }),
    ...(balancing === undefined ? {} : { balancing }),
    ...(outlierDetection === undefined ? {} : { outliers: outliersOf(outlierDetection) }),
    ...(tls?.mode === undefined ? {} : { tls: tlsOf(tls, tls.mode) }),
  }
}

function poolOf({ tcp = {}, http = {} }: ConnectionPoolSettings): ConnectionPool {
  const { probes, time, interval } = tcp.tcpKeepalive ?? {}
  return defined({
    maxConnections: positive(tcp.maxConnections),
    connectTimeoutMs: durationOf(tcp.connectTimeout),
    keepalive:
      tcp.tcpKeepalive === undefined
        ? undefined
        : defined({ probes: positive(probes), timeSeconds: secondsOf(time), intervalSeconds: secondsOf(interval) }),
    tcpIdleTimeoutMs: durationOf(tcp.idleTimeout, 0),
    maxPendingRequests: positive(http.http1MaxPendingRequests),
    maxRequests: positive(http.http2MaxRequests),
    maxRetries: positive(http.maxRetries),
    maxRequestsPerConnection: positive(http.maxRequestsPerConnection),
    httpIdleTimeoutMs: durationOf(http.idleTimeout),
    maxConcurrentStreams: positive(http.maxConcurrentStreams),
    httpVersion: httpVersionOf(http),
  })
}

function httpVersionOf({ useClientProtocol, h2UpgradePolicy }: HTTPSettings): ConnectionPool['httpVersion'] {
  if (useClientProtocol === true) return 'client'
  return h2UpgradePolicy === 'UPGRADE' ? 'upgrade' : undefined
}

const BALANCING: Readonly<Record<string, Balancing>> = {
  LEAST_CONN: 'least-request',
  LEAST_REQUEST: 'least-request',
  ROUND_ROBIN: 'round-robin',
  RANDOM: 'random',
  PASSTHROUGH: 'passthrough',
}

/** Undefined: not said. A block of other settings takes the parent's place with the default. */
function balancingOf(settings: LoadBalancerSettings | undefined, capture: 'bind' | 'redirect'): Balancing | undefined {
  if (settings === undefined) return undefined
  const balancing = BALANCING[settings.simple ?? ''] ?? 'least-request'
  return balancing === 'passthrough' && capture === 'bind' ? 'least-request' : balancing
}

function outliersOf(settings: OutlierSettings): OutlierDetection {
  return {
    ...defined({
      consecutive5xx: settings.consecutive5xxErrors,
      consecutiveGatewayErrors: settings.consecutiveGatewayErrors,
      consecutiveLocalErrors: settings.consecutiveLocalOriginFailures,
      intervalMs: durationOf(settings.interval),
      baseEjectionMs: durationOf(settings.baseEjectionTime),
      maxEjectionPercent: positive(settings.maxEjectionPercent),
    }),
    splitsLocalErrors: settings.splitExternalLocalOriginErrors === true,
    minHealthPercent: Math.min(100, Math.max(0, settings.minHealthPercent ?? 0)),
  }
}

const TLS_MODES = { DISABLE: 'disable', SIMPLE: 'simple', MUTUAL: 'mutual', ISTIO_MUTUAL: 'mesh' } as const

function tlsOf(settings: ClientTLSSettings, mode: keyof typeof TLS_MODES): ClientTls {
  const { sni, subjectAltNames = [], caCertificates, clientCertificate, privateKey } = settings
  const isMutual = mode === 'MUTUAL'
  return {
    mode: TLS_MODES[mode],
    ...defined({
      certificatePath: isMutual ? filled(clientCertificate) : undefined,
      keyPath: isMutual ? filled(privateKey) : undefined,
      authoritiesPath: filled(caCertificates),
      serverName: filled(sni),
    }),
    subjectAltNames,
    acceptsAnyServer: settings.insecureSkipVerify === true,
  }
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the fields that are not set, so that equal policies are equal values. */
function defined<T extends Readonly<Record<string, unknown>>>(fields: T): Defined<T> {
  // fromEntries forgets the names that filter keeps.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}

/** Zero is 'not set' in Istio's integers. */
function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value
}

function filled(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}

function durationOf(text: string | undefined, minimum = 1): number | undefined {
  if (text === undefined) return undefined
  const parsed = parseDurationMs(text)
  return parsed.ok && parsed.value >= minimum ? parsed.value : undefined
}

function secondsOf(text: string | undefined): number | undefined {
  const ms = durationOf(text)
  return ms === undefined ? undefined : Math.max(1, Math.round(ms / 1000))
}
