// From an accepted socket to the filter chain that serves it: original destination, first octets, chain, TLS, network policies.
// Called for every new connection of every listener. Invariant: a connection that nothing serves is refused with a reason and
// recorded; none is left open and forgotten.
import type { Socket } from 'node:net'
import { cidrMatcher } from '../../base/cidr.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { DownstreamTls, FilterChain, TcpProxy } from '../config/proxy-config.ts'
import { authorize } from '../decide/authorize.ts'
import { type ConnectionView, chooseFilterChain, type RangeTest } from '../decide/filter-chain.ts'
import { DownstreamConnection } from '../http/downstream-connection.ts'
import { DownstreamPeer } from '../http/downstream-peer.ts'
import { newOutcome } from '../http/new-outcome.ts'
import type { HttpBinding, HttpServices } from '../http/services.ts'
import { FAILURES, type FailureKind } from '../rescue.ts'
import { proxyTcp } from '../tcp/tcp-proxy.ts'
import type { ConnectionFacts } from '../telemetry/outcome.ts'
import { DownstreamTlsServer, downstreamTlsKey, type SecurePeer } from './downstream-tls.ts'
import { type Inspection, inspect } from './inspect.ts'
import type { ListenerRuntime } from './listener-runtime.ts'
import type { OriginalDestination } from './original-destination.ts'
import { NO_NAMES, principalsOf } from './peer-names.ts'

export interface AcceptorOptions {
  readonly services: HttpServices
  readonly secrets: SecretStore
  readonly originalDestination: OriginalDestination | undefined
  readonly maxConnections: number | undefined
  /** The listener for a redirected connection (Envoy: use_original_dst), or undefined: the one that accepted it. */
  readonly listenerFor: (host: string, port: number) => ListenerRuntime | undefined
}

/** What can be done with a connection from outside. */
export interface OpenConnection {
  close(): void
  /** Closes it if nothing is under way; `quietSinceMs`: and nothing has been since. */
  closeIfIdle(quietSinceMs: number): void
}

interface Accepted {
  readonly socket: Socket
  readonly listener: ListenerRuntime
  readonly destination: { readonly host: string; readonly port: number }
  readonly inspection: Inspection | undefined
}

const INSPECTED_AS_PLAIN: Inspection = { transportProtocol: 'raw_buffer', serverName: '', alpn: [], looksLikeHttp: false }

export class Acceptor {
  readonly open = new Set<OpenConnection>()
  /** By the clock of the data plane; 0: never. */
  lastAcceptedMs = 0
  readonly #options: AcceptorOptions
  readonly #tlsServers = new Map<string, DownstreamTlsServer>()

  constructor(options: AcceptorOptions) {
    this.#options = options
  }

  accept(socket: Socket, acceptedBy: ListenerRuntime): void {
    const { services, maxConnections } = this.#options
    const acceptedMs = services.clock.monotonicMs()
    this.lastAcceptedMs = acceptedMs
    socket.on('error', ignoreUntilClose)
    const destination = this.#destinationOf(socket, acceptedBy)
    const listener = acceptedBy.config.useOriginalDestination
      ? (this.#options.listenerFor(destination.host, destination.port) ?? acceptedBy)
      : acceptedBy
    const accepted: Accepted = { socket, listener, destination, inspection: undefined }
    if (maxConnections !== undefined && services.activity.connections >= maxConnections) return this.#refuse(accepted, 'overload', '')
    services.activity.connections++
    socket.once('close', () => {
      services.activity.connections--
    })
    if (!listener.needsInspection) return this.#choose(accepted)
    const closeIfOld = (quietSinceMs: number): void => {
      if (acceptedMs <= quietSinceMs) socket.destroy()
    }
    const waiting: OpenConnection = { close: () => socket.destroy(), closeIfIdle: closeIfOld }
    this.open.add(waiting)
    socket.once('close', () => this.open.delete(waiting))
    inspect(socket, services.wheel, (inspection) => {
      this.open.delete(waiting)
      this.#choose({ ...accepted, inspection })
    })
  }

  close(): void {
    for (const connection of this.open) connection.close()
    for (const server of this.#tlsServers.values()) server.close()
  }

  #destinationOf(socket: Socket, listener: ListenerRuntime): { readonly host: string; readonly port: number } {
    const own = { host: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }
    const { originalDestination } = this.#options
    const wanted = listener.config.useOriginalDestination || listener.config.restoresOriginalDestination === true
    if (!wanted || originalDestination === undefined) return own
    const fd = fileDescriptor(socket)
    const original = fd === undefined ? undefined : originalDestination(fd, socket.remoteAddress ?? '')
    // With connection tracking a direct connection answers with the socket's own address: that is no redirection.
    return original ?? own
  }

  #choose(accepted: Accepted): void {
    const { socket, listener, destination } = accepted
    const inspection = accepted.inspection ?? INSPECTED_AS_PLAIN
    const view: ConnectionView = {
      destinationIp: destination.host,
      destinationPort: destination.port,
      serverName: inspection.serverName,
      transportProtocol: inspection.transportProtocol,
      applicationProtocols: inspection.alpn,
      sourceIp: plainAddress(socket.remoteAddress),
    }
    const chain = chooseFilterChain(listener.config, view, inRange)
    if (chain === undefined) return this.#refuse(accepted, inspection.looksLikeHttp ? 'plaintext-refused' : 'no-filter-chain', '')
    const binding = listener.bindingOf(chain)
    if (chain.tls === undefined) return this.#serve(accepted, chain, binding, undefined)
    const handshake: OpenConnection = { close: () => socket.destroy(), closeIfIdle: () => undefined }
    this.open.add(handshake)
    this.#tlsServer(chain.tls).accept(socket, accepted.inspection?.alpn, {
      onSecure: (peer) => {
        this.open.delete(handshake)
        this.#serve({ ...accepted, socket: peer.socket }, chain, binding, peer)
      },
      onRefused: (reason) => {
        this.open.delete(handshake)
        this.#record(accepted, 'no-filter-chain', reason)
      },
    })
  }

  #serve(accepted: Accepted, chain: FilterChain, binding: HttpBinding | undefined, secure: SecurePeer | undefined): void {
    const { socket, destination } = accepted
    const facts = connectionFacts(accepted, secure)
    const peer = new DownstreamPeer(facts, destination, secure?.names ?? NO_NAMES)
    if (chain.networkRules.length > 0 && !networkAllows(chain, peer)) {
      this.#record(accepted, 'access-denied', '', facts)
      socket.destroy()
      return
    }
    if (chain.terminal.kind === 'http') this.#serveHttp(socket, binding ?? { manager: chain.terminal }, peer)
    else this.#serveTcp(socket, chain.terminal, peer)
  }

  #serveHttp(socket: Socket, binding: HttpBinding, peer: DownstreamPeer): void {
    const connection = new DownstreamConnection(socket, this.#options.services, binding, peer, () => this.open.delete(handle))
    const handle: OpenConnection = {
      close: () => connection.close(),
      closeIfIdle: (quietSinceMs) => {
        if (connection.isIdle && connection.idleSinceMs <= quietSinceMs) connection.closeIdle()
      },
    }
    this.open.add(handle)
    socket.resume()
  }

  #serveTcp(socket: Socket, proxy: TcpProxy, peer: DownstreamPeer): void {
    const handle: OpenConnection = { close: () => cut(), closeIfIdle: () => undefined }
    this.open.add(handle)
    const client = { socket, facts: peer.facts, destination: peer.destination }
    const cut = proxyTcp(client, proxy, this.#options.services, () => this.open.delete(handle))
  }

  #tlsServer(tls: DownstreamTls): DownstreamTlsServer {
    const key = downstreamTlsKey(tls)
    const known = this.#tlsServers.get(key)
    if (known !== undefined) return known
    const created = new DownstreamTlsServer(tls, this.#options.secrets, this.#options.services.clock)
    this.#tlsServers.set(key, created)
    return created
  }

  #refuse(accepted: Accepted, failure: FailureKind, reason: string): void {
    const { socket } = accepted
    this.#record(accepted, failure, reason)
    const { status, body } = FAILURES[failure]
    if (status === 0 || failure === 'overload') {
      socket.destroy()
      return
    }
    socket.end(
      `HTTP/1.1 ${status} Bad Request\r\ncontent-length: ${body.length}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${body}`,
    )
    // What was sent already would turn the close into a reset and destroy the answer on its way (RFC 9112 9.6).
    socket.resume()
    this.#options.services.wheel.after(LINGER_MS, () => socket.destroy())
  }

  #record(accepted: Accepted, failure: FailureKind, reason: string, facts = connectionFacts(accepted, undefined)): void {
    const { services } = this.#options
    const outcome = newOutcome(facts, services.clock.nowMs())
    const { flag, details, status } = FAILURES[failure]
    outcome.flags = flag
    outcome.details = details
    outcome.terminationDetails = reason
    const http = failure === 'plaintext-refused'
    if (http) outcome.status = status
    const logs = accepted.listener.config.accessLogs
    if (http) services.recorder.recordHttp(outcome, logs)
    else services.recorder.recordTcp(outcome, logs)
  }
}

const LINGER_MS = 1000

function connectionFacts(accepted: Accepted, secure: SecurePeer | undefined): ConnectionFacts {
  const { socket, listener, destination, inspection } = accepted
  const remoteIp = plainAddress(socket.remoteAddress)
  return {
    direction: listener.config.direction,
    localAddress: `${destination.host}:${destination.port}`,
    remoteAddress: `${remoteIp}:${socket.remotePort ?? 0}`,
    localPort: destination.port,
    remoteIp,
    serverName: inspection?.serverName ?? '',
    tls: secure !== undefined,
    mutualTls: secure?.mutualTls ?? false,
    peerPrincipal: secure?.mutualTls === true ? (secure.names.uris[0] ?? '') : '',
    localPrincipal: secure?.localPrincipal ?? '',
    peer: undefined,
  }
}

function networkAllows(chain: FilterChain, peer: DownstreamPeer): boolean {
  const { facts, destination, names } = peer
  return authorize(chain.networkRules, {
    path: undefined,
    destinationIp: destination.host,
    destinationPort: destination.port,
    directRemoteIp: facts.remoteIp,
    remoteIp: facts.remoteIp,
    serverName: facts.serverName,
    principals: facts.mutualTls ? principalsOf(names) : [],
    testHeader: () => undefined,
  }).allowed
}

/** Node prints an IPv4 peer of a dual-stack socket as an IPv6 address. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/** No public way to it exists; guarded, so that a change in Node means no redirection and not a crash. */
function fileDescriptor(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  const fd: unknown = Reflect.get(handle, 'fd')
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}

const MATCHERS = new WeakMap<object, (address: string) => boolean>()

const inRange: RangeTest = (range, address) => {
  let matcher = MATCHERS.get(range)
  if (matcher === undefined) {
    matcher = cidrMatcher([range])
    MATCHERS.set(range, matcher)
  }
  return address !== '' && matcher(address)
}

/** 'close' follows and is dealt with; without a listener an error would end the process. */
function ignoreUntilClose(): undefined {
  return undefined
}
