// Every way in which a request can fail, and the one answer that each gets: status, Envoy's response flag, Envoy's response code
// detail, one line of body that says what happened and what to look at, and whether the client's connection can go on.
// Nothing else in the proxy decides a status. docs/failures.md lists the same table for people; a test keeps the two equal.

export interface Failure {
  /** HTTP status; 0 where no answer can be sent (the connection is gone or is not HTTP). */
  readonly status: number
  /** Envoy's response flag, or '' where Envoy has none. */
  readonly flag: string
  /** %RESPONSE_CODE_DETAILS%. */
  readonly details: string
  /** For the client; one line. Callers append what is known of the instance after a colon. */
  readonly body: string
  /** The connection's state is unknown or the peer may not go on: answer with `connection: close`. */
  readonly closes: boolean
}

export const FAILURES = {
  'ambiguous-request': {
    status: 400,
    flag: 'DPE',
    details: 'http1.codec_error',
    body: 'bad request: the message is ambiguous or malformed and was not passed on',
    closes: true,
  },
  'headers-too-large': {
    status: 431,
    flag: 'DPE',
    details: 'request_headers_too_large',
    body: 'request header fields too large',
    closes: true,
  },
  'missing-host': {
    status: 400,
    flag: 'DPE',
    details: 'missing_host_header',
    body: 'bad request: HTTP/1.1 needs exactly one Host header (RFC 9112 3.2)',
    closes: true,
  },
  'http10-refused': { status: 426, flag: 'DPE', details: 'low_version', body: 'upgrade required: this port speaks HTTP/1.1', closes: true },
  'upgrade-refused': {
    status: 403,
    flag: '',
    details: 'upgrade_failed',
    body: 'forbidden: this route does not allow the requested upgrade',
    closes: true,
  },
  'plaintext-refused': {
    status: 400,
    flag: 'NR',
    details: 'filter_chain_not_found',
    body: 'bad request: this workload accepts only mutual TLS (PeerAuthentication STRICT) and the connection is plaintext',
    closes: true,
  },
  'no-filter-chain': { status: 0, flag: 'NR', details: 'filter_chain_not_found', body: '', closes: true },
  'no-route': {
    status: 404,
    flag: 'NR',
    details: 'route_not_found',
    body: 'not found: no route matches this host and path',
    closes: false,
  },
  'cluster-not-found': {
    status: 503,
    flag: 'NC',
    details: 'cluster_not_found',
    body: 'service unavailable: the route names a destination that does not exist',
    closes: false,
  },
  'no-healthy-upstream': {
    status: 503,
    flag: 'UH',
    details: 'no_healthy_upstream',
    body: 'service unavailable: the destination has no healthy endpoint',
    closes: false,
  },
  'connect-failure': {
    status: 503,
    flag: 'UF',
    details: 'upstream_reset_before_response_started{connection_failure}',
    body: 'service unavailable: could not connect to the destination',
    closes: false,
  },
  'connect-timeout': {
    status: 503,
    flag: 'UF',
    details: 'upstream_reset_before_response_started{connection_timeout}',
    body: 'service unavailable: the destination did not accept the connection in time',
    closes: false,
  },
  'upstream-identity': {
    status: 503,
    flag: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|TLS_error}',
    body: 'service unavailable: TLS with the destination failed or its identity is not the expected one',
    closes: false,
  },
  'upstream-reset': {
    status: 503,
    flag: 'UC',
    details: 'upstream_reset_before_response_started{connection_termination}',
    body: 'service unavailable: the destination closed the connection before answering',
    closes: false,
  },
  'upstream-stream-reset': {
    status: 503,
    flag: 'UR',
    details: 'upstream_reset_before_response_started{remote_reset}',
    body: 'service unavailable: the destination reset the stream before answering',
    closes: false,
  },
  'upstream-refused': {
    status: 503,
    flag: 'UR',
    details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
    body: 'service unavailable: the destination refused the stream without processing it',
    closes: false,
  },
  'upstream-protocol': {
    status: 502,
    flag: 'UPE',
    details: 'upstream_reset_before_response_started{protocol_error}',
    body: 'bad gateway: the destination sent a malformed response',
    closes: false,
  },
  overflow: {
    status: 503,
    flag: 'UO',
    details: 'overflow',
    body: 'service unavailable: a circuit breaker of the destination is open',
    closes: false,
  },
  'stream-duration': {
    status: 504,
    flag: 'DT',
    details: 'max_duration_timeout',
    body: 'gateway timeout: the request took longer than it may in all',
    closes: false,
  },
  'route-timeout': {
    status: 504,
    flag: 'UT',
    details: 'response_timeout',
    body: 'gateway timeout: the destination did not answer in the time that the route allows',
    closes: false,
  },
  'per-try-timeout': {
    status: 504,
    flag: 'UT',
    details: 'upstream_per_try_timeout',
    body: 'gateway timeout: no attempt was answered in the time that the retry policy allows',
    closes: false,
  },
  'request-timeout': {
    status: 408,
    flag: 'DT',
    details: 'request_overall_timeout',
    body: 'request timeout: the request did not arrive in time',
    closes: true,
  },
  'stream-idle-timeout': {
    status: 408,
    flag: 'SI',
    details: 'stream_idle_timeout',
    body: 'stream timeout: nothing moved in the allowed time',
    closes: true,
  },
  'access-denied': { status: 403, flag: '', details: 'rbac_access_denied', body: 'RBAC: access denied', closes: false },
  'policy-invalid': {
    status: 403,
    flag: '',
    details: 'rbac_access_denied',
    body: 'RBAC: access denied: a policy for this workload could not be read, so everything is denied',
    closes: false,
  },
  overload: { status: 503, flag: 'OM', details: 'overload', body: 'service unavailable: the proxy is overloaded', closes: true },
  'downstream-closed': { status: 0, flag: 'DC', details: 'downstream_remote_disconnect', body: '', closes: true },
  'downstream-reset': { status: 0, flag: 'DR', details: 'http2.remote_reset', body: '', closes: true },
  'downstream-broken': { status: 0, flag: 'DPE', details: 'http1.codec_error', body: '', closes: true },
} as const satisfies Readonly<Record<string, Failure>>

export type FailureKind = keyof typeof FAILURES
