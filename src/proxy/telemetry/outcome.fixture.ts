// An outcome as the data path fills it, for tests and benchmarks of recorders.
import type { Endpoint } from '../config/proxy-config.ts'
import { staticCluster } from '../decide/route.fixture.ts'
import type { ConnectionFacts, HeadView, Outcome, PeerLabels } from './outcome.ts'

export function peer(name: string): PeerLabels {
  return {
    workload: `${name}-v1`,
    namespace: 'default',
    app: name,
    version: 'v1',
    canonicalName: name,
    canonicalRevision: 'v1',
    cluster: 'Kubernetes',
  }
}

export function head(fields: Readonly<Record<string, string>>): HeadView {
  return { get: (name) => fields[name], firstLine: (name) => fields[name] }
}

export function connectionFacts(fields: Partial<ConnectionFacts> = {}): ConnectionFacts {
  return {
    direction: 'outbound',
    localAddress: '127.0.0.1:28900',
    remoteAddress: '127.0.0.1:51726',
    localPort: 28900,
    remoteIp: '127.0.0.1',
    serverName: '',
    tls: false,
    mutualTls: false,
    peerPrincipal: '',
    localPrincipal: '',
    peer: undefined,
    ...fields,
  }
}

export const reviewsEndpoint: Endpoint = {
  address: { host: '127.0.0.1', port: 9080 },
  weight: 1,
  priority: 0,
  locality: '',
  health: 'healthy',
  transportLabels: {},
  workload: { workload: 'reviews-v2', namespace: 'default', canonicalName: 'reviews', canonicalRevision: 'v2', cluster: 'Kubernetes' },
}

export const reviewsCluster = staticCluster('outbound|9080||reviews.default.svc.cluster.local', {
  metadata: { config: undefined, services: [{ host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' }] },
})

export function outcome(fields: Partial<Outcome> = {}): Outcome {
  return {
    connection: connectionFacts(),
    clientIp: '',
    startedAtMs: Date.UTC(2026, 10, 21, 10, 53, 6, 301),
    durationMs: 1.9,
    protocol: 'HTTP/1.1',
    method: 'POST',
    path: '/self/x?q=1',
    authority: '127.0.0.1:28900',
    request: head({ 'user-agent': 'curl/7.88.1', 'x-a': 'abcdef' }),
    response: head({}),
    status: 200,
    flags: '',
    details: 'via_upstream',
    terminationDetails: '',
    bytesReceived: 5,
    bytesSent: 2,
    requestHeadBytes: 100,
    responseHeadBytes: 80,
    route: undefined,
    routeName: 'self',
    virtualHost: 'a',
    cluster: reviewsCluster,
    clusterName: reviewsCluster.name,
    endpoint: reviewsEndpoint,
    upstreamLocalAddress: '127.0.0.1:51732',
    upstreamPrincipal: '',
    upstreamMutualTls: false,
    upstreamTransportFailure: '',
    responseTrailers: '',
    upstreamServiceTimeMs: 0.7,
    attempts: 1,
    requestId: '910d5561-ef25-424b-a8b0-d0da8a1ac1d7',
    ...fields,
  }
}

/** Istio's default (MeshConfig.accessLogFormat). */
export const ISTIO_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n'
