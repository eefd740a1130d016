// The gRPC server of the control plane, on node:http2: TLS, with a client certificate asked for but not demanded (a workload that joins
// has none yet); each service decides per call whether it needs one. Own certificate and roots change without a restart.
// What is sent to thousands is one set of bytes: chunks go to the socket as they are (docs/decisions/grpc-on-node-http2.md).
// Invariant: `peerCertificate` is there only when TLS verified it against the roots.
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { errorMessage, LateenError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import { GrpcCall, type GrpcCaller, grpcStatus, refuseCall } from './grpc-call.ts'
import { superviseSession } from './grpc-session.ts'

export interface ServerCertificate {
  /** PEM, leaf first. */
  readonly chainPem: string
  readonly keyPem: string
}

/** How a unary call was answered. */
export type UnaryAnswer =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: number; readonly details: string }

export interface GrpcService {
  /** By path (`/package.Service/Method`). */
  readonly streams?: Readonly<Record<string, (call: GrpcCall) => void>>
  readonly unary?: Readonly<Record<string, (request: Buffer, caller: GrpcCaller) => Promise<UnaryAnswer>>>
}

export interface GrpcServerOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Undefined: plaintext (Istio's port 15010, off unless asked for). */
  readonly tls: { readonly certificate: ReadonlyWatchable<ServerCertificate>; readonly rootsPem: ReadonlyWatchable<string> } | undefined
  readonly services: readonly GrpcService[]
  readonly clock: Clock
  readonly random: Random
  /** After this (a tenth more or less), a connection is asked to come again, so that load spreads and certificates are looked at anew. */
  readonly maxConnectionAgeMs?: number
}

export interface GrpcServer {
  readonly port: number
  /** Ends calls at once and frees the port. */
  close(): void
}

/** For requests: a client that comes back lists all that it holds, which must not take dozens of round trips. */
const REQUEST_WINDOW_BYTES = 1024 * 1024
const HTTP2_OPTIONS = {
  settings: { initialWindowSize: REQUEST_WINDOW_BYTES, maxConcurrentStreams: 100, enablePush: false },
  maxSessionMemory: 64,
}

type OpenCalls = Set<GrpcCall>

export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { server, stop } = options.tls === undefined ? { server: createServer(HTTP2_OPTIONS), stop: () => undefined } : secure(options.tls)
  const sessions = new Map<Http2Session, OpenCalls>()
  server.on('session', (session: ServerHttp2Session) => {
    const calls: OpenCalls = new Set()
    sessions.set(session, calls)
    session.setLocalWindowSize(REQUEST_WINDOW_BYTES)
    session.on('error', () => undefined)
    const supervision = superviseSession(session, options, () => {
      for (const call of calls) call.end(grpcStatus.UNAVAILABLE, 'this connection is old; a new one will be served')
    })
    session.on('close', () => {
      supervision.stop()
      sessions.delete(session)
    })
  })
  // A handshake that fails is the client's affair: refused connections are seen where calls are.
  server.on('sessionError', () => undefined)
  server.on('tlsClientError', () => undefined)
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const calls = stream.session === undefined ? undefined : sessions.get(stream.session)
    // Without its session the stream is gone already.
    if (calls === undefined) stream.destroy()
    else answer(stream, headers, options.services, calls)
  })
  const port = await listen(server, options)
  return {
    port,
    close() {
      stop()
      server.close()
      for (const session of sessions.keys()) session.destroy()
    },
  }
}

function answer(
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  services: readonly GrpcService[],
  calls: OpenCalls,
): void {
  stream.on('error', () => undefined)
  const path = String(headers[':path'] ?? '')
  const caller = callerOf(stream, headers)
  if (caller === undefined) {
    stream.destroy()
    return
  }
  const begin = (): GrpcCall => {
    const call = new GrpcCall(stream, caller)
    calls.add(call)
    stream.on('close', () => calls.delete(call))
    return call
  }
  for (const { streams, unary } of services) {
    const open = streams?.[path]
    if (open !== undefined) return open(begin())
    const handle = unary?.[path]
    if (handle !== undefined) return answerUnary(begin(), handle)
  }
  refuseCall(stream, grpcStatus.UNIMPLEMENTED, `there is no method ${path.slice(0, 200)} here`)
}

function answerUnary(call: GrpcCall, handle: (request: Buffer, caller: GrpcCaller) => Promise<UnaryAnswer>): void {
  let answered = false
  call.listen({
    message(request) {
      if (answered) return
      answered = true
      handle(request, call.caller).then(
        (result) => {
          if (!result.ok) return call.end(result.code, result.details)
          call.write([result.bytes], () => undefined)
          call.end(grpcStatus.OK, '')
        },
        // Services answer for their own failures; this one had none.
        () => call.end(grpcStatus.INTERNAL, 'the control plane failed; its log says why'),
      )
    },
    ended() {
      if (!answered) call.end(grpcStatus.INVALID_ARGUMENT, 'the call ended without a request')
    },
    closed: () => undefined,
  })
}

function callerOf(
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): GrpcCaller | undefined {
  const { session } = stream
  if (session === undefined) return undefined
  const { authorization } = headers
  return { ...peerOf(session), authorization: typeof authorization === 'string' ? authorization : undefined }
}

type Peer = Pick<GrpcCaller, 'from' | 'peerCertificate' | 'peerChain'>

/** Asked of TLS once per connection: every answer of it is a new copy. */
const peers = new WeakMap<Http2Session, Peer>()

function peerOf(session: Http2Session): Peer {
  const known = peers.get(session)
  if (known !== undefined) return known
  const { socket } = session
  const peer = { from: `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`, ...verifiedCertificates(socket) }
  peers.set(session, peer)
  return peer
}

/** A chain that is longer is nobody's; the last of one names itself as its issuer. */
const MAX_CHAIN = 8

function verifiedCertificates(socket: Socket): Omit<Peer, 'from'> {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return { peerCertificate: undefined, peerChain: [] }
  const leaf = socket.getPeerCertificate(true)
  const peerChain: Buffer[] = []
  let issuer: DetailedPeerCertificate | undefined = leaf.issuerCertificate
  while (issuer?.raw !== undefined && peerChain.length < MAX_CHAIN) {
    peerChain.push(issuer.raw)
    issuer = issuer.issuerCertificate === issuer ? undefined : issuer.issuerCertificate
  }
  return { peerCertificate: leaf.raw, peerChain }
}

function secure(tls: NonNullable<GrpcServerOptions['tls']>): { readonly server: Http2Server; readonly stop: () => void } {
  const context = (): { readonly key: string; readonly cert: string; readonly ca: string } => ({
    key: tls.certificate.value.keyPem,
    cert: tls.certificate.value.chainPem,
    ca: tls.rootsPem.value,
  })
  const server = createSecureServer({ ...HTTP2_OPTIONS, ...context(), requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
  const renew = (): void => server.setSecureContext(context())
  const stops = [tls.certificate.watch(renew), tls.rootsPem.watch(renew)]
  const stop = (): void => {
    for (const each of stops) each()
  }
  return { server, stop }
}

function listen(server: Http2Server, { host, port }: GrpcServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new LateenError(
          'LISTEN_FAILED',
          `cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port} for xDS: ${errorMessage(cause)}; choose another address with --listen`,
          { cause },
        ),
      ),
    )
    server.listen({ host, port, backlog: 4096 }, () => resolve((server.address() as AddressInfo).port))
  })
}
