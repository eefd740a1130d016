// A gRPC server as clients here see it: an address, how to secure it, one connection made when it is first needed and again when the
// last one ended. Used by ads (one stream for long) and certs (one call per renewal).
// Invariant: credentials are asked for at each connection, so that a renewed certificate is used from the next one on.
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import { ClientSession, DEFAULT_SESSION } from '../http2/client-session.ts'
import { type CallHandlers, GrpcCall } from './call.ts'
import { GrpcCode, type GrpcStatus } from './status.ts'

export interface TlsCredentials {
  readonly rootsPem: string
  readonly chainPem: string | undefined
  readonly keyPem: string | undefined
  /** '' for none: an IP address is no server name (RFC 6066 3). */
  readonly serverName: string
  /** Why the peer is not the wanted one, or undefined when it is. Replaces the check of the host name. */
  readonly verifyPeer: ((certificate: PeerCertificate) => string | undefined) | undefined
}

export interface ChannelOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  /** Undefined: plaintext. A string: why no connection can be made now (for instance: no certificate yet). */
  readonly credentials: () => TlsCredentials | string | undefined
  /** Plaintext over a socket that somebody else connects, instead of to `host` and `port`. */
  readonly openSocket?: () => Promise<Socket>
  readonly connectTimeoutMs: number
  readonly maxMessageBytes: number
}

export interface CallRequest {
  readonly path: string
  readonly metadata: readonly string[]
  readonly deadlineMs: number | undefined
}

export type UnaryResult = { readonly ok: true; readonly message: Buffer } | { readonly ok: false; readonly status: GrpcStatus }

export class GrpcChannel {
  readonly #options: ChannelOptions
  #session: ClientSession | undefined
  #connecting: Promise<ClientSession> | undefined
  #closed = false

  constructor(options: ChannelOptions) {
    this.#options = options
  }

  /** A call once a connection stands. When none can be made, `handlers.ended` hears UNAVAILABLE and the promise is undefined. */
  async start(request: CallRequest, handlers: CallHandlers): Promise<GrpcCall | undefined> {
    try {
      const session = await this.#ready()
      return this.#call(session, request, handlers)
    } catch (error) {
      handlers.ended({ code: GrpcCode.UNAVAILABLE, message: errorMessage(error) })
      return undefined
    }
  }

  unary(request: CallRequest, message: Uint8Array): Promise<UnaryResult> {
    return new Promise((resolve) => {
      let answer: Buffer | undefined
      const handlers: CallHandlers = {
        message: (bytes) => {
          answer = bytes
        },
        ended: (status) => {
          if (status.code !== GrpcCode.OK) resolve({ ok: false, status })
          else if (answer === undefined) resolve({ ok: false, status: { code: GrpcCode.INTERNAL, message: 'OK without a message' } })
          else resolve({ ok: true, message: answer })
        },
      }
      void this.start(request, handlers).then((call) => call?.send(message, true))
    })
  }

  close(): void {
    this.#closed = true
    this.#session?.close()
    this.#session = undefined
  }

  #call(session: ClientSession, request: CallRequest, handlers: CallHandlers): GrpcCall {
    const { host, port, clock, maxMessageBytes } = this.#options
    const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const scheme = this.#options.credentials() === undefined ? 'http' : 'https'
    return new GrpcCall(session, clock, { ...request, authority, scheme, maxMessageBytes }, handlers)
  }

  #ready(): Promise<ClientSession> {
    if (this.#session?.usable === true) return Promise.resolve(this.#session)
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #connect(): Promise<ClientSession> {
    const { clock, openSocket } = this.#options
    const socket = openSocket === undefined ? await this.#open() : await openSocket()
    if (this.#closed) {
      socket.destroy()
      throw new Error('closed here')
    }
    const session = new ClientSession(socket, { clock, ...DEFAULT_SESSION }, () => {
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    return session
  }

  async #open(): Promise<Socket> {
    const { host, port } = this.#options
    const credentials = this.#options.credentials()
    if (typeof credentials === 'string') throw new Error(credentials)
    // A name is resolved at each connection: the control plane may have moved since the last one.
    const socket = credentials === undefined ? connectPlain({ host, port }) : openTls(host, port, credentials)
    await this.#connected(socket, credentials)
    return socket
  }

  #connected(socket: Socket, credentials: TlsCredentials | undefined): Promise<void> {
    const { host, port, clock, connectTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        timer.cancel()
        socket.destroy()
        reject(new Error(`could not connect to ${host}:${port}: ${why}`))
      }
      const timer = clock.after(connectTimeoutMs, () => fail(`nothing within ${connectTimeoutMs} ms`), { background: true })
      const onError = (error: Error): void => fail(error.message)
      const onClose = (): void => fail('the connection was closed')
      socket.on('error', onError)
      socket.on('close', onClose)
      socket.once(credentials === undefined ? 'connect' : 'secureConnect', () => {
        const problem = credentials === undefined ? undefined : tlsProblem(socket, credentials)
        if (problem !== undefined) return fail(problem)
        timer.cancel()
        socket.off('close', onClose)
        socket.off('error', onError)
        socket.setNoDelay(true)
        resolve()
      })
    })
  }
}

function openTls(host: string, port: number, credentials: TlsCredentials): TLSSocket {
  return connectTls({
    host,
    port,
    ca: credentials.rootsPem,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    ...(credentials.serverName === '' ? {} : { servername: credentials.serverName }),
    ...(credentials.chainPem === undefined ? {} : { cert: credentials.chainPem }),
    ...(credentials.keyPem === undefined ? {} : { key: credentials.keyPem }),
    // The chain is always verified; only the comparison with the host name is replaced, after the handshake.
    ...(credentials.verifyPeer === undefined ? {} : { checkServerIdentity: () => undefined }),
  })
}

function tlsProblem(socket: Socket, credentials: TlsCredentials): string | undefined {
  if (!('alpnProtocol' in socket) || !('getPeerCertificate' in socket)) return 'not a TLS socket'
  // connectTls returned it: both members say so.
  const tls = socket as TLSSocket
  if (tls.alpnProtocol !== 'h2') return 'the server does not speak HTTP/2 (ALPN h2)'
  return credentials.verifyPeer?.(tls.getPeerCertificate())
}
