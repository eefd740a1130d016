// What the proxy runs on: immutable, references resolved, swapped in one assignment. Decoded from Envoy's messages by config/decode-*,
// read by everything else of the proxy. Nothing here holds state: pools, counters and balancers live beside it, keyed by name.
// Words are Envoy's; a comment names Envoy's field where the name differs.
import type { Cidr } from '../../base/cidr.ts'
import type { StringMatchSpec } from '../../base/string-matcher.ts'
import type { AuthorizationRules } from '../decide/authorize.ts'

export interface ProxyConfig {
  readonly listeners: ReadonlyMap<string, Listener>
  readonly clusters: ReadonlyMap<string, Cluster>
}

export type Direction = 'inbound' | 'outbound' | 'unspecified'

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

// ---------------------------------------------------------------------------------------------------------------- listeners

export interface Listener {
  readonly name: string
  /** A listener whose address is unchanged keeps its socket. */
  readonly address: SocketAddress
  readonly direction: Direction
  /** False: reached only through a listener with useOriginalDestination (Envoy: bind_to_port). */
  readonly bindToPort: boolean
  readonly useOriginalDestination: boolean
  /** Listener filter original_dst, or useOriginalDestination: ask the kernel where the client meant to go. */
  readonly restoresOriginalDestination?: boolean
  readonly inspection: ListenerInspection
  readonly filterChains: readonly FilterChain[]
  readonly defaultFilterChain: FilterChain | undefined
  /** Written for connections that match no chain. */
  readonly accessLogs: readonly AccessLog[]
  readonly metadata: ResourceMetadata
}

/** What of a connection's first octets is read before a chain is chosen, and how long they are waited for. */
export interface ListenerInspection {
  /** Listener filter tls_inspector: the transport protocol, SNI and ALPN. */
  readonly tls: boolean
  /** Listener filter http_inspector: on plaintext, 'http/1.0', 'http/1.1' or 'h2c' as if it had been offered in ALPN. */
  readonly http: boolean
  /** Where they are not read all the same, by the port that the client meant (Envoy: filter_disabled). */
  readonly tlsExcept?: PortTest | undefined
  readonly httpExcept?: PortTest | undefined
  /** Undefined: without end. */
  readonly timeoutMs: number | undefined
  /** A silent client (the server speaks first) gets the chain for plaintext of no known protocol; otherwise it is closed. */
  readonly continuesOnTimeout: boolean
}

/** 'range': `end` is not in it. */
export type PortTest =
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly start: number; readonly end: number }
  | { readonly kind: 'not'; readonly test: PortTest }
  | { readonly kind: 'every' | 'some'; readonly tests: readonly PortTest[] }

export interface FilterChain {
  readonly name: string
  readonly match: FilterChainMatch
  readonly tls: DownstreamTls | undefined
  /** Network RBAC filters before the terminal filter, in order. */
  readonly networkRules: readonly AuthorizationRules[]
  readonly terminal: HttpConnectionManager | TcpProxy
}

/** Envoy's order of specificity: destination port, destination address, server name, transport protocol, application protocol, source. */
export interface FilterChainMatch {
  readonly destinationPort: number | undefined
  readonly destinationRanges: readonly Cidr[]
  readonly serverNames: readonly string[]
  readonly transportProtocol: 'tls' | 'raw_buffer' | undefined
  readonly applicationProtocols: readonly string[]
  readonly sourceRanges: readonly Cidr[]
}

export interface TcpProxy {
  readonly kind: 'tcp-proxy'
  readonly statPrefix: string
  readonly clusters: readonly WeightedCluster[]
  readonly idleTimeoutMs: number | undefined
  readonly accessLogs: readonly AccessLog[]
}

export interface HttpConnectionManager {
  readonly kind: 'http'
  readonly statPrefix: string
  readonly routes: RouteTable
  readonly accessLogs: readonly AccessLog[]
  /** Overwrite or keep x-request-id; Envoy: generate_request_id and preserve_external_request_id. */
  readonly requestId: { readonly generate: boolean; readonly preserveExternal: boolean; readonly alwaysInResponse: boolean }
  /** The peer is the user (edge): append its address to x-forwarded-for and trust nothing before it. */
  readonly useRemoteAddress: boolean
  readonly xffNumTrustedHops: number
  readonly skipXffAppend: boolean
  readonly forwardClientCert: ForwardClientCert
  /** Lower-case upgrade tokens that may pass, for example 'websocket'; 'connect' for CONNECT. */
  readonly upgrades: ReadonlySet<string>
  readonly serverHeader: { readonly kind: 'overwrite' | 'append-if-absent' | 'pass-through'; readonly name: string }
  readonly maxRequestHeadersBytes: number
  readonly maxRequestHeaders: number
  readonly idleTimeoutMs: number | undefined
  /** Zero and undefined: no limit. */
  readonly streamIdleTimeoutMs: number | undefined
  readonly requestTimeoutMs: number | undefined
  /** For the head alone. */
  readonly requestHeadersTimeoutMs?: number | undefined
  readonly normalizePath: boolean
  readonly mergeSlashes: boolean
  /** Envoy: path_with_escaped_slashes_action. What becomes of %2F and %5C in a path. */
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape-and-redirect' | 'unescape'
  /** Envoy: headers_with_underscores_action. */
  readonly underscoredNames: 'allow' | 'reject' | 'drop'
  /** HTTP RBAC filters in order; the router is last by contract and is not listed. */
  readonly httpRules: readonly AuthorizationRules[]
  /** False refuses HTTP/1.0 with 426 (Envoy: http_protocol_options.accept_http_10). */
  readonly acceptHttp10: boolean
  readonly via: string | undefined
  /** Envoy: codec_type; undefined: 'auto', by ALPN or by what the client begins with. */
  readonly codec?: 'auto' | 'http1' | 'http2'
  /** Beyond it a connection is drained (Envoy: max_connection_duration); undefined: none. */
  readonly maxConnectionDurationMs?: number | undefined
  /** Of a request with its answer (Envoy: max_stream_duration); undefined: none. */
  readonly maxStreamDurationMs?: number | undefined
  readonly http2?: Http2Options | undefined
}

/** What is undefined has our own default (http2/defaults.ts). */
export interface Http2Options {
  readonly maxConcurrentStreams: number | undefined
  readonly streamWindow: number | undefined
  readonly connectionWindow: number | undefined
  /** PING after so long, and how long its answer may take. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number; readonly jitterPercent?: number } | undefined
  /** Most that HPACK may remember, in both directions (Envoy: hpack_table_size). */
  readonly headerTableSize?: number | undefined
  readonly limits?: Http2Limits | undefined
  /** CONNECT, also with :protocol (RFC 8441), may be asked for; which protocols, the upgrades say. */
  readonly allowConnect?: boolean
}

/** Against peers that make work without asking for anything (Envoy's names: max_outbound_frames and following). */
export interface Http2Limits {
  readonly outboundFrames: number | undefined
  readonly outboundControlFrames: number | undefined
  readonly emptyFrames: number | undefined
  readonly priorityFramesPerStream: number | undefined
  readonly windowUpdatesPerDataFrame: number | undefined
}

/** x-forwarded-client-cert (Envoy: forward_client_cert_details and set_current_client_cert_details). */
export interface ForwardClientCert {
  readonly mode: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only'
  readonly subject: boolean
  readonly uri: boolean
  readonly dns: boolean
}

// ------------------------------------------------------------------------------------------------------------------- routes

export interface RouteTable {
  readonly name: string
  /** Lower-case, without the port unless the user wrote one. Search order: exact, longest suffix ('*.foo'), longest prefix ('foo.*'), '*'. */
  readonly exactHosts: ReadonlyMap<string, VirtualHost>
  readonly suffixHosts: readonly { readonly suffix: string; readonly virtualHost: VirtualHost }[]
  readonly prefixHosts: readonly { readonly prefix: string; readonly virtualHost: VirtualHost }[]
  readonly defaultHost: VirtualHost | undefined
  /** Envoy: ignore_port_in_host_matching. */
  readonly ignoresPort: boolean
  readonly requestHeaders: HeaderMutations
  readonly responseHeaders: HeaderMutations
}

export interface VirtualHost {
  readonly name: string
  readonly routes: readonly Route[]
  readonly requiresTls: boolean
  readonly includeAttemptCountInRequest: boolean
  readonly includeAttemptCountInResponse: boolean
  readonly requestHeaders: HeaderMutations
  readonly responseHeaders: HeaderMutations
}

export interface Route {
  readonly name: string
  readonly match: RouteMatch
  readonly action: RouteAction
  readonly requestHeaders: HeaderMutations
  readonly responseHeaders: HeaderMutations
  /** Per-route RBAC override by filter; empty: the connection manager's apply. 'disabled' switches them off. */
  readonly rules: readonly AuthorizationRules[] | 'disabled' | undefined
  readonly metadata: ResourceMetadata
}

export interface RouteMatch {
  readonly path:
    | { readonly kind: 'prefix' | 'exact' | 'path-separated-prefix'; readonly value: string; readonly ignoreCase: boolean }
    | { readonly kind: 'regex'; readonly matches: (path: string) => boolean; readonly value: string }
    | { readonly kind: 'connect' }
  readonly headers: readonly HeaderMatch[]
  readonly queryParameters: readonly {
    readonly name: string
    readonly spec: StringMatchSpec
    readonly matches: (value: string) => boolean
  }[]
  /** Of 1,000,000; undefined: always (Envoy: runtime_fraction's default). */
  readonly fractionPerMillion: number | undefined
}

export interface HeaderMatch {
  /** Lower-case; ':method', ':path', ':authority' and ':scheme' too. */
  readonly name: string
  readonly spec: StringMatchSpec | { readonly kind: 'range'; readonly start: number; readonly end: number }
  readonly matches: (value: string) => boolean
  readonly inverted: boolean
  /** A missing header is judged as an empty value (Envoy: treat_missing_header_as_empty). */
  readonly missingIsEmpty: boolean
}

export type RouteAction = ForwardAction | DirectResponse | Redirect | { readonly kind: 'non-forwarding' }

export interface ForwardAction {
  readonly kind: 'forward'
  /** At least one; weights are relative. A single entry takes everything. */
  readonly clusters: readonly WeightedCluster[]
  readonly totalWeight: number
  /** Envoy: cluster_not_found_response_code; undefined: 503. */
  readonly clusterNotFoundStatus?: number | undefined
  /** Undefined: none (Envoy's own default of 15 s has been applied by the decoder). */
  readonly timeoutMs: number | undefined
  readonly idleTimeoutMs: number | undefined
  /** Over the connection manager's; 0: none (Envoy: max_stream_duration). */
  readonly maxStreamDurationMs?: number | undefined
  /** A gRPC client's own grpc-timeout counts, up to this; 0: whatever it asks (Envoy: grpc_timeout_header_max). */
  readonly grpcTimeoutMaxMs?: number | undefined
  readonly retry: RetryPolicy | undefined
  readonly pathRewrite:
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly rewrite: (path: string) => string }
    | undefined
  readonly hostRewrite: { readonly kind: 'literal'; readonly value: string } | { readonly kind: 'auto' } | undefined
  readonly upgrades: ReadonlyMap<string, boolean>
}

export interface WeightedCluster {
  readonly name: string
  readonly weight: number
  readonly requestHeaders: HeaderMutations
  readonly responseHeaders: HeaderMutations
}

export interface DirectResponse {
  readonly kind: 'direct-response'
  readonly status: number
  readonly body: Uint8Array
}

export interface Redirect {
  readonly kind: 'redirect'
  readonly status: number
  readonly scheme: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  readonly path: string | undefined
  readonly prefixRewrite: string | undefined
  readonly stripQuery: boolean
}

export interface RetryPolicy {
  /** Retries after the first attempt. */
  readonly maxRetries: number
  readonly on: ReadonlySet<RetryCondition>
  readonly retriableStatusCodes: ReadonlySet<number>
  readonly perTryTimeoutMs: number | undefined
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly avoidsPreviousHosts: boolean
  /** How many picks may be thrown away to find a host not tried before. */
  readonly hostSelectionAttempts: number
}

export type RetryCondition =
  | '5xx'
  | 'gateway-error'
  | 'reset'
  | 'reset-before-request'
  | 'connect-failure'
  | 'retriable-4xx'
  | 'refused-stream'
  | 'retriable-status-codes'
  | 'retriable-headers'
  | 'cancelled'
  | 'deadline-exceeded'
  | 'internal'
  | 'resource-exhausted'
  | 'unavailable'

export interface HeaderMutations {
  /** Lower-case names, removed before anything is set. */
  readonly remove: readonly string[]
  readonly set: readonly HeaderValue[]
}

export interface HeaderValue {
  readonly name: string
  /** Literal text, or Envoy's format operators already compiled. */
  readonly value: string
  readonly hasOperators: boolean
  readonly action: 'append' | 'overwrite' | 'add-if-absent' | 'overwrite-if-exists'
  /** An empty value is a line of its own; otherwise nothing is written. */
  readonly keepsEmpty: boolean
}

// ----------------------------------------------------------------------------------------------------------------- clusters

export interface Cluster {
  readonly name: string
  /** Name for statistics and logs (Envoy: alt_stat_name). */
  readonly statName: string
  readonly discovery: 'static' | 'eds' | 'strict-dns' | 'logical-dns' | 'original-destination'
  readonly endpoints: readonly Endpoint[]
  readonly connectTimeoutMs: number
  readonly balancer: 'round-robin' | 'least-request' | 'random' | 'passthrough'
  /** Below this share of healthy endpoints all are used (Envoy: healthy_panic_threshold); undefined: 50. */
  readonly panicThresholdPercent?: number | undefined
  /** Power of N choices for least request. */
  readonly choiceCount: number
  readonly circuitBreaker: CircuitBreaker
  /** 'auto': what the endpoint chooses by ALPN. 'downstream': what the client speaks. */
  readonly upstreamProtocol: 'http1' | 'http2' | 'auto' | 'downstream'
  readonly http2?: Http2Options | undefined
  readonly maxRequestsPerConnection: number | undefined
  readonly idleTimeoutMs: number
  readonly tls: UpstreamTls | undefined
  /** First match by the endpoint's own labels decides the transport (Envoy: transport_socket_matches); none: `tls`. */
  readonly transportMatches: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly tls: UpstreamTls | undefined
  }[]
  /** Local address of upstream connections, for example 127.0.0.6 inbound. */
  readonly bindAddress: string | undefined
  /** For endpoints of the other address family (Envoy: extra_source_addresses). */
  readonly otherBindAddress?: string
  /** Undefined: the kernel asks nobody whether they are still there. */
  readonly keepalive?: TcpKeepalive | undefined
  readonly metadata: ResourceMetadata
}

/** Of silent connections: when the kernel begins to ask, how often, and after how many questions without an answer it gives up. */
export interface TcpKeepalive {
  readonly afterMs: number
  readonly intervalMs: number
  readonly probes: number
}

export interface Endpoint {
  readonly address: SocketAddress
  readonly weight: number
  readonly priority: number
  readonly locality: string
  readonly health: 'healthy' | 'unhealthy' | 'draining'
  /** filter_metadata['envoy.transport_socket_match']. */
  readonly transportLabels: Readonly<Record<string, string>>
  /** Decoded from filter_metadata.istio.workload; what metrics call the destination. */
  readonly workload: WorkloadLabels | undefined
}

/** Istio's "workload;namespace;canonical name;canonical revision;cluster". */
export interface WorkloadLabels {
  readonly workload: string
  readonly namespace: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly cluster: string
}

export interface CircuitBreaker {
  readonly maxConnections: number
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly maxRetries: number
}

/** Where the resource came from (filter_metadata.istio.config) and which service it is (filter_metadata.istio.services). */
export interface ResourceMetadata {
  readonly config: string | undefined
  readonly services: readonly { readonly host: string; readonly name: string; readonly namespace: string }[]
}

// ---------------------------------------------------------------------------------------------------------------------- TLS

export interface DownstreamTls {
  readonly certificate: CertificateSource
  /** Of other kinds of keys: a client is shown the one that it can read. */
  readonly otherCertificates?: readonly CertificateSource[]
  readonly validation: PeerValidation
  readonly requiresClientCertificate: boolean
  readonly alpn: readonly string[]
  /** For TLS 1.2, OpenSSL names; undefined: Node's own choice. */
  readonly cipherSuites?: readonly string[] | undefined
  /** Key exchange, the preferred first; undefined: OpenSSL's own. */
  readonly curves?: readonly string[] | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Undefined: the newest. */
  readonly maxVersion?: 'TLSv1.2' | undefined
}

export interface UpstreamTls {
  readonly certificate: CertificateSource | undefined
  readonly otherCertificates?: readonly CertificateSource[]
  readonly validation: PeerValidation
  readonly sni: string | undefined
  readonly alpn: readonly string[]
  readonly cipherSuites?: readonly string[] | undefined
  /** Key exchange, the preferred first; undefined: OpenSSL's own. */
  readonly curves?: readonly string[] | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Undefined: the newest. */
  readonly maxVersion?: 'TLSv1.2' | undefined
}

/** PEM given by files or inline, the name of a secret that the certificate manager keeps fresh ('default', 'ROOTCA'), or the name of one
 *  that the control plane sends ('sds'). */
export type CertificateSource =
  | { readonly kind: 'pem'; readonly chainPem: string; readonly keyPem: string }
  | { readonly kind: 'files'; readonly chainPath: string; readonly keyPath: string }
  | { readonly kind: 'secret'; readonly name: string }
  | { readonly kind: 'sds'; readonly name: string }

export interface PeerValidation {
  readonly trust:
    | { readonly kind: 'pem'; readonly pem: string }
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'secret'; readonly name: string }
    | { readonly kind: 'sds'; readonly name: string }
    | undefined
  /** Any one must match the peer's certificate; empty: any certificate of the trusted roots. */
  readonly subjectAltNames: readonly {
    readonly type: 'uri' | 'dns' | 'ip' | 'email' | 'any'
    readonly spec: StringMatchSpec
    readonly matches: (name: string) => boolean
  }[]
}

// --------------------------------------------------------------------------------------------------------------- access log

export interface AccessLog {
  readonly target: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' } | { readonly kind: 'stderr' }
  /** Envoy's format string, or a JSON template. */
  readonly format:
    | { readonly kind: 'text'; readonly template: string }
    | { readonly kind: 'json'; readonly template: Readonly<Record<string, unknown>> }
  readonly omitsEmptyValues: boolean
}
