// A DestinationRule's trafficPolicy in the words of the mesh. Pure reading of one object; called by destination-rules.ts.
// Invariant: a block that sets nothing that this version acts on is still a block: it takes the place of its parent's.
import type {
  ClientTLSSettings,
  ConnectionPoolSettings,
  HTTPSettings,
  OutlierDetection as OutlierSettings,
  PortTrafficPolicy,
  RetryBudget as RetryBudgetSettings,
  TrafficPolicy as TrafficPolicySpec,
  TunnelSettings,
} from '../../api/generated/destination-rule.gen.ts'
import {
  type ClientTls,
  type ConnectionPool,
  NO_TRAFFIC_POLICY,
  type OutlierDetection,
  type PolicyBlocks,
  type RetryBudget,
  type TrafficPolicy,
  type Tunnel,
} from '../../model/traffic-policy.ts'
import { balancingOf } from './load-balancing.ts'
import { defined, durationOf, filled, positive, secondsOf } from './set-fields.ts'

/** @param capture without a redirect there is no original destination to pass through to. */
export function trafficPolicyOf(spec: TrafficPolicySpec | undefined, capture: 'bind' | 'redirect'): TrafficPolicy {
  if (spec === undefined) return NO_TRAFFIC_POLICY
  const ports = (spec.portLevelSettings ?? []).flatMap((each) => {
    const number = each.port?.number
    return number === undefined ? [] : [[String(number), blocksOf(each, capture)] as const]
  })
  const { tunnel, proxyProtocol, retryBudget } = spec
  return {
    ...blocksOf(spec, capture),
    ...(tunnel === undefined ? {} : { tunnel: tunnelOf(tunnel) }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol: proxyProtocol.version === 'V2' ? 'v2' : 'v1' }),
    ...(retryBudget === undefined ? {} : { retryBudget: retryBudgetOf(retryBudget) }),
    // The first of a port wins.
    ports: Object.fromEntries(ports.reverse()),
  }
}

function tunnelOf({ protocol, targetHost, targetPort }: TunnelSettings): Tunnel {
  return { method: protocol === 'POST' ? 'POST' : 'CONNECT', host: targetHost, port: targetPort }
}

function retryBudgetOf({ percent = 20, minRetryConcurrency }: RetryBudgetSettings): RetryBudget {
  return { percent, minimum: positive(minRetryConcurrency) ?? 3 }
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

export function poolOf({ tcp = {}, http = {} }: ConnectionPoolSettings): ConnectionPool {
  const { probes, time, interval } = tcp.tcpKeepalive ?? {}
  return defined({
    maxConnections: positive(tcp.maxConnections),
    connectTimeoutMs: durationOf(tcp.connectTimeout),
    keepalive:
      tcp.tcpKeepalive === undefined
        ? undefined
        : defined({ probes: positive(probes), timeSeconds: secondsOf(time), intervalSeconds: secondsOf(interval) }),
    tcpIdleTimeoutMs: durationOf(tcp.idleTimeout, 0),
    maxConnectionDurationMs: durationOf(tcp.maxConnectionDuration),
    maxPendingRequests: positive(http.http1MaxPendingRequests),
    maxRequests: positive(http.http2MaxRequests),
    maxRetries: positive(http.maxRetries),
    maxRequestsPerConnection: positive(http.maxRequestsPerConnection),
    httpIdleTimeoutMs: durationOf(http.idleTimeout),
    maxConcurrentStreams: positive(http.maxConcurrentStreams),
    httpVersion: httpVersionOf(http),
    http2Keepalive: http2KeepaliveOf(http),
  })
}

/** Envoy needs both. */
function http2KeepaliveOf({ http2KeepAlive }: HTTPSettings): ConnectionPool['http2Keepalive'] {
  const intervalMs = durationOf(http2KeepAlive?.interval)
  const timeoutMs = durationOf(http2KeepAlive?.timeout)
  return intervalMs === undefined || timeoutMs === undefined ? undefined : { intervalMs, timeoutMs }
}

function httpVersionOf({ useClientProtocol, h2UpgradePolicy }: HTTPSettings): ConnectionPool['httpVersion'] {
  if (useClientProtocol === true) return 'client'
  return h2UpgradePolicy === 'UPGRADE' ? 'upgrade' : h2UpgradePolicy === 'DO_NOT_UPGRADE' ? 'keep' : undefined
}

function outliersOf(settings: OutlierSettings): OutlierDetection {
  return {
    ...defined({
      consecutive5xx: settings.consecutive5xxErrors,
      consecutiveGatewayErrors: settings.consecutiveGatewayErrors,
      // Without the split there is nothing to count.
      consecutiveLocalErrors: settings.splitExternalLocalOriginErrors === true ? settings.consecutiveLocalOriginFailures : undefined,
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
  const { sni, subjectAltNames = [], caCertificates, caCrl, clientCertificate, privateKey, credentialName } = settings
  const isMutual = mode === 'MUTUAL'
  return {
    mode: TLS_MODES[mode],
    ...defined({
      certificatePath: isMutual ? filled(clientCertificate) : undefined,
      keyPath: isMutual ? filled(privateKey) : undefined,
      authoritiesPath: filled(caCertificates),
      revocationsPath: filled(caCrl),
      secret: mode === 'SIMPLE' || isMutual ? filled(credentialName) : undefined,
      serverName: filled(sni),
    }),
    subjectAltNames,
    acceptsAnyServer: settings.insecureSkipVerify === true,
  }
}
