// From an accepted socket to the filter chain that serves it: original destination, first octets, chain, TLS, network policies.
// Called for every new connection of every listener. Invariant: a connection that nothing serves is refused with a reason and
// recorded; none is left open and forgotten.
import type { Socket } from 'node:net'
import { cidrMatcher } from '../../base/cidr.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { DownstreamTls, FilterChain, HttpConnectionManager, TcpProxy } from '../config/proxy-config.ts'
import type { RefusalReason } from '../data-plane.ts'
import { authorize } from '../decide/authorize.ts'
import { type ConnectionView, chooseFilterChain, type RangeTest } from '../decide/filter-chain.ts'
import { DownstreamPeer } from '../http/downstream-peer.ts'
import { newOutcome } from '../http/new-outcome.ts'
import { serveHttp } from '../http/serve-http.ts'
import type { HttpServices } from '../http/services.ts'
import { FAILURES, type FailureKind } from '../rescue.ts'
import { proxyTcp } from '../tcp/tcp-proxy.ts'
import type { ConnectionFacts } from '../telemetry/outcome.ts'
import { DownstreamTlsServer, downstreamTlsKey, type SecurePeer } from './downstream-tls.ts'
import { type Inspection, inspect, inspectionAt, UNINSPECTED } from './inspect.ts'
import type { ListenerRuntime } from './listener-runtime.ts'
import type { OriginalDestination } from './original-destination.ts'
import { NO_NAMES, principalsOf } from './peer-names.ts'

export interface AcceptorOptions {
  readonly services: HttpServices
  readonly secrets: SecretStore
  readonly originalDestination: OriginalDestination | undefined
  readonly maxConnections: number | undefined
  readonly connectionsByDescriptors: number | undefined
  /** The listener for a redirected connection (Envoy: use_original_dst), or undefined: the one that accepted it. */
  readonly listenerFor: (host: string, port: number) => ListenerRuntime | undefined
}

/** What can be done with a connection from outside. */
export interface OpenConnection {
  close(): void
  /** Closes it if nothing is under way; `quietSinceMs`: and nothing has been since. */
  closeIfIdle(quietSinceMs: number): void
  /** The configuration has changed: it may have to end. */
  reconsider(): void
}

interface Accepted {
  readonly socket: Socket
  /** Asked once: of a socket with TLS it costs 20 us. */
  readonly remoteIp: string
  readonly remotePort: number
  readonly listener: ListenerRuntime
  readonly destination: { readonly host: string; readonly port: number }
  readonly inspection: Inspection | undefined
}

/** A connection with the chain that was chosen for it. */
interface Chosen extends Accepted {
  readonly chain: FilterChain
  readonly view: ConnectionView
  /** Of the listener, when the chain was chosen. */
  readonly generation: number
}

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
    const { services } = this.#options
    const acceptedMs = services.clock.monotonicMs()
    this.lastAcceptedMs = acceptedMs
    socket.on('error', ignoreUntilClose)
    const destination = this.#destinationOf(socket, acceptedBy)
    const listener = acceptedBy.config.useOriginalDestination
      ? (this.#options.listenerFor(destination.host, destination.port) ?? acceptedBy)
      : acceptedBy
    const remoteIp = plainAddress(socket.remoteAddress)
    const accepted: Accepted = { socket, remoteIp, remotePort: socket.remotePort ?? 0, listener, destination, inspection: undefined }
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      services.recorder.connectionRefused?.(refusal)
      return this.#refuse(accepted, 'overload', refusal)
    }
    services.activity.connections++
    socket.once('close', () => {
      services.activity.connections--
    })
    const inspection = listener.needsInspection ? inspectionAt(listener.config.inspection, destination.port) : undefined
    if (inspection === undefined) return this.#choose(accepted)
    const closeIfOld = (quietSinceMs: number): void => {
      if (acceptedMs <= quietSinceMs) socket.destroy()
    }
    const waiting: OpenConnection = { close: () => socket.destroy(), closeIfIdle: closeIfOld, reconsider: nothingToReconsider }
    this.open.add(waiting)
    socket.once('close', () => this.open.delete(waiting))
    const clientIsFirst = (): boolean => this.#chainFor(accepted).chain?.terminal.kind === 'http'
    inspect(socket, inspection, services.wheel, clientIsFirst, (found) => {
      this.open.delete(waiting)
      this.#choose({ ...accepted, inspection: found })
    })
  }

  close(): void {
    for (const connection of this.open) connection.close()
    for (const server of this.#tlsServers.values()) server.close()
  }

  #refusal(): RefusalReason | undefined {
    const { services, maxConnections, connectionsByDescriptors } = this.#options
    const { connections } = services.activity
    if (services.overload.refusesConnections) return 'memory'
    if (maxConnections !== undefined && connections >= maxConnections) return 'connection-limit'
    // Without this libuv would take what comes, close it, and tell nobody; upstreams and logs would find no descriptor either.
    return connectionsByDescriptors !== undefined && connections >= connectionsByDescriptors ? 'descriptors' : undefined
  }

  #destinationOf(socket: Socket, listener: ListenerRuntime): { readonly host: string; readonly port: number } {
    const own = listener.ownAddress ?? { host: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }
    const { originalDestination } = this.#options
    const wanted = listener.config.useOriginalDestination || listener.config.restoresOriginalDestination === true
    if (!wanted || originalDestination === undefined) return own
    const fd = fileDescriptor(socket)
    const original = fd === undefined ? undefined : originalDestination(fd, socket.remoteAddress ?? '')
    // With connection tracking a direct connection answers with the socket's own address: that is no redirection.
    return original ?? own
  }

  #chainFor({ remoteIp, listener, destination, inspection = UNINSPECTED }: Accepted): {
    readonly chain: FilterChain | undefined
    readonly view: ConnectionView
  } {
    const view: ConnectionView = {
      destinationIp: destination.host,
      destinationPort: destination.port,
      serverName: inspection.serverName,
      transportProtocol: inspection.transportProtocol,
      applicationProtocols: inspection.applicationProtocols,
      sourceIp: remoteIp,
    }
    return { chain: chooseFilterChain(listener.config, view, inRange), view }
  }

  #choose(accepted: Accepted): void {
    const { socket, listener, inspection = UNINSPECTED } = accepted
    const { chain, view } = this.#chainFor(accepted)
    if (chain === undefined) return this.#refuse(accepted, inspection.looksLikeHttp ? 'plaintext-refused' : 'no-filter-chain', '')
    const chosen: Chosen = { ...accepted, chain, view, generation: listener.generation }
    if (chain.tls === undefined) return this.#serve(chosen, undefined)
    const handshake: OpenConnection = { close: () => socket.destroy(), closeIfIdle: () => undefined, reconsider: nothingToReconsider }
    this.open.add(handshake)
    socket.setNoDelay(true)
    this.#tlsServer(chain.tls).accept(socket, accepted.inspection?.applicationProtocols, {
      onSecure: (peer) => {
        this.open.delete(handshake)
        // Without inspection the choice was made as for plaintext; what is known now counts when it is asked for again.
        this.#serve({ ...chosen, socket: peer.socket, view: { ...view, transportProtocol: 'tls' } }, peer)
      },
      onRefused: (reason) => {
        this.open.delete(handshake)
        this.#record(accepted, 'no-filter-chain', reason)
      },
    })
  }

  #serve(chosen: Chosen, secure: SecurePeer | undefined): void {
    const { socket, destination, chain } = chosen
    const facts = connectionFacts(chosen, secure)
    const peer = new DownstreamPeer(facts, destination, secure?.names ?? NO_NAMES)
    if (chain.networkRules.length > 0 && !networkAllows(chain, peer)) {
      this.#record(chosen, 'access-denied', '', facts)
      socket.destroy()
      return
    }
    if (chain.terminal.kind === 'http') {
      if (secure === undefined) socket.setNoDelay(true)
      this.#serveHttp(chosen, chain.terminal, peer, secure?.alpn ?? '')
    } else this.#serveTcp(chosen, chain.terminal, peer)
  }

  #serveHttp(chosen: Chosen, manager: HttpConnectionManager, peer: DownstreamPeer, alpn: string): void {
    const { socket, listener, chain } = chosen
    const { services } = this.#options
    const binding = listener.bindingOf(chain) ?? { manager }
    const connection = serveHttp(socket, services, binding, peer, alpn, () => this.open.delete(handle))
    const leave = (): void => {
      connection.leave()
      if (!listener.removed) connection.closeIfIdle(Number.POSITIVE_INFINITY)
      // Nothing forbids its requests: one that is on its way still gets an answer.
      else services.wheel.after(QUIET_BEFORE_CLOSE_MS, () => connection.closeIfIdle(Number.POSITIVE_INFINITY))
    }
    const handle: OpenConnection = {
      close: () => connection.close(),
      closeIfIdle: (quietSinceMs) => connection.closeIfIdle(quietSinceMs),
      reconsider: reconsidering(chosen, (next) => {
        if (next === undefined) return leave()
        const successor = listener.bindingOf(next)
        if (successor !== undefined) connection.rebind(successor)
      }),
    }
    this.open.add(handle)
    handle.reconsider()
    if (!socket.destroyed) socket.resume()
  }

  #serveTcp(chosen: Chosen, proxy: TcpProxy, peer: DownstreamPeer): void {
    const { socket } = chosen
    const handle: OpenConnection = {
      close: () => cut(),
      closeIfIdle: () => undefined,
      reconsider: reconsidering(chosen, (next) => {
        if (next === undefined) this.#options.services.wheel.after(TCP_DRAIN_MS, () => cut())
      }),
    }
    this.open.add(handle)
    const client = { socket, facts: peer.facts, destination: peer.destination }
    const cut = proxyTcp(client, proxy, this.#options.services, () => this.open.delete(handle))
    handle.reconsider()
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
/** As in a drain: an idle connection may have a request on its way. */
const QUIET_BEFORE_CLOSE_MS = 1000
/** Octets have no end of an exchange at which to part. Istio: drain duration. */
const TCP_DRAIN_MS = 45_000

/** Asks for the chain anew when the listener has changed; says no more once the answer was 'none'. */
function reconsidering(chosen: Chosen, decided: (next: FilterChain | undefined) => void): () => void {
  const { listener, view } = chosen
  let { chain, generation } = chosen
  let ended = false
  return () => {
    if (ended || listener.generation === generation) return
    generation = listener.generation
    const next = listener.successorOf(chain, view, inRange)
    if (next === undefined) ended = true
    else chain = next
    decided(next)
  }
}

/** It meets the configuration in force when it is served. */
function nothingToReconsider(): undefined {
  return undefined
}

function connectionFacts(accepted: Accepted, secure: SecurePeer | undefined): ConnectionFacts {
  const { remoteIp, remotePort, listener, destination, inspection } = accepted
  return {
    direction: listener.config.direction,
    localAddress: `${destination.host}:${destination.port}`,
    remoteAddress: `${remoteIp}:${remotePort}`,
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
