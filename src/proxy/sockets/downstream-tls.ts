// TLS towards clients: one server per TLS setting, fed with sockets that were accepted (and perhaps inspected) elsewhere.
// A renewed certificate or root is swapped in for new handshakes; established connections go on.
// Invariant: `onSecure` is called only for a peer that passed everything the setting asks for.
import { randomBytes, X509Certificate } from 'node:crypto'
import { Socket } from 'node:net'
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import { presentedChain } from '../certs/presented-chain.ts'
import type { KeyPair, SecretStore } from '../certs/secret-store.ts'
import type { DownstreamTls } from '../config/proxy-config.ts'
import { cipherList } from '../upstream/transport.ts'
import { NO_NAMES, namesAllowed, namesOfPeer, type PeerNames } from './peer-names.ts'
import { isHangUp, tlsProblem } from './tls-problem.ts'

export interface SecurePeer {
  readonly socket: TLSSocket
  /** The client's certificate was verified against the roots. */
  readonly mutualTls: boolean
  readonly names: PeerNames
  readonly localPrincipal: string
  readonly alpn: string
}

interface Handlers {
  readonly onSecure: (peer: SecurePeer) => void
  readonly onRefused: (reason: string) => void
}

/** Equal text: the same TLS setting, so that a config update keeps tickets and context. */
export function downstreamTlsKey(tls: DownstreamTls): string {
  const names = tls.validation.subjectAltNames.map(({ type, spec }) => ({ type, spec }))
  const { certificate, otherCertificates = [], validation, requiresClientCertificate, alpn } = tls
  const { minVersion, maxVersion, cipherSuites, curves } = tls
  const certificates = [certificate, ...otherCertificates]
  const offered = [alpn, minVersion, maxVersion, cipherSuites, curves]
  return JSON.stringify([certificates, validation.trust, names, requiresClientCertificate, offered])
}

export class DownstreamTlsServer {
  readonly #tls: DownstreamTls
  readonly #clock: Clock
  /** One per kind of key; the first names this workload. */
  readonly #keyPairs: readonly ReadonlyWatchable<KeyPair | undefined>[]
  readonly #roots: ReadonlyWatchable<string | undefined> | undefined
  readonly #stops: (() => void)[] = []
  readonly #alpn: string[]
  /** By the accepted socket; node:tls makes another object of it. */
  readonly #waiting = new Map<Socket, Handlers>()
  /** Connections that came before the first certificate. */
  readonly #early = new Set<() => void>()
  #servers: { withAlpn: Server; withoutAlpn: Server } | undefined
  #ticketKeys = randomBytes(48)
  #localPrincipal = ''

  constructor(tls: DownstreamTls, secrets: SecretStore, clock: Clock) {
    this.#tls = tls
    this.#clock = clock
    this.#alpn = [...tls.alpn]
    this.#keyPairs = [tls.certificate, ...(tls.otherCertificates ?? [])].map((source) => secrets.keyPair(source))
    this.#roots = tls.validation.trust === undefined ? undefined : secrets.roots(tls.validation.trust)
    for (const keyPair of this.#keyPairs) this.#stops.push(keyPair.watch(() => this.#renew()))
    const roots = this.#roots
    if (roots !== undefined) {
      this.#stops.push(
        roots.watch(() => {
          // A ticket vouches for a peer that the former roots had verified.
          this.#ticketKeys = randomBytes(48)
          this.#renew()
        }),
      )
    }
    this.#renew()
  }

  /** Hands a socket over. @param offered ALPN of an inspected ClientHello, or undefined. */
  accept(socket: Socket, offered: readonly string[] | undefined, handlers: Handlers): void {
    const servers = this.#servers
    if (servers === undefined) return this.#waitForCertificate(socket, offered, handlers)
    this.#waiting.set(socket, handlers)
    // TLS closes its side of it after this, and may know better why.
    socket.once('close', () => setImmediate(() => this.#refuse(socket, HUNG_UP)))
    // Who ends in the middle of a handshake is gone: half-open it would wait for the rest until the time for a handshake is over.
    socket.allowHalfOpen = false
    // Node refuses a client whose ALPN has nothing in common with ours; Envoy goes on without (RFC 7301 3.2 allows both).
    const common = offered === undefined || offered.length === 0 || offered.some((protocol) => this.#alpn.includes(protocol))
    const server = common ? servers.withAlpn : servers.withoutAlpn
    server.emit('connection', socket)
  }

  /** The first certificate is on its way: who comes before it waits as long as a handshake may take. */
  #waitForCertificate(socket: Socket, offered: readonly string[] | undefined, handlers: Handlers): void {
    const stop = (): void => {
      timer.cancel()
      this.#early.delete(go)
      socket.removeListener('close', refuse)
    }
    const refuse = (): void => {
      stop()
      socket.destroy()
      handlers.onRefused('TLS_error: this listener has no certificate yet')
    }
    const go = (): void => {
      stop()
      this.accept(socket, offered, handlers)
    }
    const waitMs = this.#asksControlPlane ? SECRET_TIMEOUT_MS : HANDSHAKE_TIMEOUT_MS
    const timer = this.#clock.after(waitMs, refuse, { background: true })
    this.#early.add(go)
    socket.once('close', refuse)
  }

  close(): void {
    for (const stop of this.#stops) stop()
    this.#waiting.clear()
  }

  /** A secret that the control plane does not have will not come, and is taken away when it is deleted. */
  get #asksControlPlane(): boolean {
    const { certificate, otherCertificates = [], validation } = this.#tls
    return [certificate, ...otherCertificates, validation.trust].some((source) => source?.kind === 'sds')
  }

  #renew(): void {
    const options = this.#contextOptions()
    if (options === undefined) {
      if (this.#asksControlPlane) this.#servers = undefined
      return
    }
    if (this.#servers === undefined) {
      this.#servers = { withAlpn: this.#createServer(options, this.#alpn), withoutAlpn: this.#createServer(options, []) }
      for (const go of this.#early) go()
    } else {
      this.#servers.withAlpn.setSecureContext(options)
      this.#servers.withoutAlpn.setSecureContext(options)
      this.#servers.withAlpn.setTicketKeys(this.#ticketKeys)
      this.#servers.withoutAlpn.setTicketKeys(this.#ticketKeys)
    }
  }

  #contextOptions(): SecureContextOptions | undefined {
    const keyPairs = this.#keyPairs.flatMap(({ value }) => value ?? [])
    const [first] = keyPairs
    const roots = this.#roots?.value
    // Of several any will do: a client that reads another kind of key only is refused in the handshake.
    if (first === undefined || (this.#roots !== undefined && roots === undefined)) return undefined
    const leaf = new X509Certificate(first.chainPem)
    this.#localPrincipal = /URI:([^,]+)/.exec(leaf.subjectAltName ?? '')?.[1] ?? ''
    return {
      cert: keyPairs.map(({ chainPem }) => presentedChain(chainPem, roots)),
      key: keyPairs.map(({ keyPem }) => keyPem),
      ca: roots ?? [],
      minVersion: this.#tls.minVersion,
      ...(this.#tls.maxVersion === undefined ? {} : { maxVersion: this.#tls.maxVersion }),
      ciphers: cipherList(this.#tls.cipherSuites),
      ...(this.#tls.curves === undefined ? {} : { ecdhCurve: this.#tls.curves.join(':') }),
    }
  }

  #createServer(options: SecureContextOptions, alpn: string[]): Server {
    const server = createServer({
      ...options,
      ticketKeys: this.#ticketKeys,
      requestCert: this.#roots !== undefined || this.#tls.requiresClientCertificate,
      rejectUnauthorized: this.#tls.requiresClientCertificate && this.#roots !== undefined,
      ...(alpn.length > 0 ? { ALPNProtocols: alpn } : {}),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    server.on('secureConnection', (socket) => this.#onSecure(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#refuse(this.#acceptedOf(socket), refusalReason(error, socket))
      socket.destroy()
    })
    return server
  }

  #onSecure(socket: TLSSocket): void {
    socket.allowHalfOpen = true
    const accepted = this.#acceptedOf(socket)
    const handlers = accepted === undefined ? undefined : this.#waiting.get(accepted)
    const certified = namesOfPeer(socket)
    const presented = certified !== undefined
    const names = certified ?? NO_NAMES
    const problem = this.#problemWith(socket, presented, names)
    if (accepted === undefined || handlers === undefined || problem !== undefined) {
      this.#refuse(accepted, problem ?? 'the connection is not waited for')
      socket.destroy()
      return
    }
    this.#waiting.delete(accepted)
    handlers.onSecure({
      socket,
      mutualTls: presented && this.#roots !== undefined,
      names,
      localPrincipal: this.#localPrincipal,
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    })
  }

  /** Node keeps what it made the socket of in `_parent`. To ask for the four numbers that both have costs 40 us, so that is for a Node which
   *  no longer does. */
  #acceptedOf(socket: Socket): Socket | undefined {
    const parent: unknown = Reflect.get(socket, '_parent')
    if (parent instanceof Socket) return parent
    for (const accepted of this.#waiting.keys()) if (haveSameEnds(accepted, socket)) return accepted
    return undefined
  }

  #problemWith(socket: TLSSocket, presented: boolean, names: PeerNames): string | undefined {
    if (!presented) return this.#tls.requiresClientCertificate ? 'TLS_error: the client presented no certificate' : undefined
    if (this.#roots === undefined) return undefined
    if (!socket.authorized) return `TLS_error: ${String(socket.authorizationError)}`
    // A resumed session was verified when it began; its certificate may have expired since.
    if (names.notAfterMs < this.#clock.nowMs()) return 'TLS_error: certificate has expired'
    if (!namesAllowed(this.#tls.validation, names)) return 'TLS_error: verify SAN list'
    return undefined
  }

  #refuse(accepted: Socket | undefined, reason: string): void {
    const handlers = accepted === undefined ? undefined : this.#waiting.get(accepted)
    if (accepted === undefined || handlers === undefined) return
    this.#waiting.delete(accepted)
    handlers.onRefused(reason)
  }
}

const HUNG_UP = 'the peer closed the connection during the handshake'
const HANDSHAKE_TIMEOUT_MS = 15_000
/** The secrets of a listener come a moment after it. */
const SECRET_TIMEOUT_MS = 1000

/** A certificate that is not accepted looks to node:tls like a connection that was closed; the verdict stands beside it. */
function refusalReason(error: Error, { authorizationError }: TLSSocket): string {
  if (authorizationError) return `TLS_error: ${String(authorizationError)}`
  return isHangUp(error) ? HUNG_UP : tlsProblem(error)
}

function haveSameEnds(one: Socket, other: Socket): boolean {
  const samePeer = one.remotePort === other.remotePort && one.remoteAddress === other.remoteAddress
  return samePeer && one.localPort === other.localPort && one.localAddress === other.localAddress
}
