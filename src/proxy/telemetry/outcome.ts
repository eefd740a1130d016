// What happened to one request or one TCP connection. Filled by the shell that performs it, consumed exactly once by the recorders
// (access log, metrics). Values that cost work (a header's text) stay behind functions: what no log asks for is never computed.
import type { Cluster, Direction, Endpoint, Route } from '../config/proxy-config.ts'

/** Read access to a message's fields by lower-case name; several lines of one name are joined with ','. */
export interface HeadView {
  /** All lines of that name, joined. */
  get(lowerName: string): string | undefined
  /** What %REQ()% and %RESP()% say, as Envoy: of a repeated field the first line. */
  firstLine(lowerName: string): string | undefined
}

/** Who is at the other end, as metrics and policies name it. */
export interface PeerLabels {
  readonly workload: string
  readonly namespace: string
  readonly app: string
  readonly version: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly cluster: string
}

/** Facts of a downstream connection; one object per connection, shared by all its requests. */
export interface ConnectionFacts {
  readonly direction: Direction
  /** `ip:port` as Envoy prints it. */
  readonly localAddress: string
  readonly remoteAddress: string
  readonly localPort: number
  readonly remoteIp: string
  /** SNI, '' without. */
  readonly serverName: string
  readonly tls: boolean
  /** The peer's certificate was verified against the mesh's roots. */
  readonly mutualTls: boolean
  /** `spiffe://...` of the verified peer, '' without. */
  readonly peerPrincipal: string
  readonly localPrincipal: string
  /** From metadata exchange; arrives with the first request, hence mutable. */
  peer: PeerLabels | undefined
}

export interface Outcome {
  readonly connection: ConnectionFacts
  /** The client's address where x-forwarded-for says another than the connection's, else ''. */
  clientIp: string
  /** Wall clock, milliseconds since the epoch. */
  startedAtMs: number
  durationMs: number
  protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | ''
  method: string
  /** As received, before any rewrite. */
  path: string
  authority: string
  request: HeadView | undefined
  response: HeadView | undefined
  /** Lines with their ends, '' without. */
  responseTrailers: string
  /** 0: no status was sent. */
  status: number
  /** Envoy's flags, comma separated, '' for none. */
  flags: string
  details: string
  terminationDetails: string
  /** Body bytes, as Envoy's %BYTES_RECEIVED% and %BYTES_SENT%; head bytes apart, for istio_request_bytes. */
  bytesReceived: number
  bytesSent: number
  requestHeadBytes: number
  responseHeadBytes: number
  route: Route | undefined
  routeName: string
  virtualHost: string
  cluster: Cluster | undefined
  /** Set even when no such cluster exists. */
  clusterName: string
  endpoint: Endpoint | undefined
  upstreamLocalAddress: string
  upstreamPrincipal: string
  upstreamMutualTls: boolean
  upstreamTransportFailure: string
  /** From first byte sent to first byte received; undefined when no response came. */
  upstreamServiceTimeMs: number | undefined
  attempts: number
  requestId: string
}
