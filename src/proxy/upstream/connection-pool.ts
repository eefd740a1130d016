// The connections to one endpoint over one transport and protocol. Idle HTTP/1.1 ones are lent newest first, so that the rest grow old
// and are closed; an HTTP/2 one is shared by as many as it takes (http2-sessions.ts). Requests wait here while a connection is being
// opened or a circuit breaker holds the number of connections.
// Invariant: a connection is idle, lent, or gone; a waiting user is told exactly once.
import { HTTP2_ALPN } from '../../envoy/alpn.ts'
import type { FailureKind } from '../rescue.ts'
import type { ClusterLoad } from './circuit-breaker.ts'
import { type ConnectHandler, type ConnectTarget, type Opened, openConnection } from './connect.ts'
import { Http2Session, type SessionOptions, type SessionOwner, type SessionServices, sessionOptions } from './http2-session.ts'
import { ReadBuffer, TUNNEL_LARGE } from './read-buffer.ts'
import type { PoolProtocol } from './transport.ts'
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts'

export interface PoolLimits {
  idleTimeoutMs: number
  maxRequestsPerConnection: number | undefined
  http2?: SessionOptions
}

export type Acquired = UpstreamStream | 'waiting' | 'overflow'

export class ConnectionPool implements ConnectionOwner, SessionOwner {
  /** Connections that exist or are being opened. */
  size = 0
  totalConnections = 0
  connectFailures = 0

  readonly target: ConnectTarget
  readonly #load: ClusterLoad
  readonly #services: SessionServices
  readonly #limits: PoolLimits
  readonly #protocol: PoolProtocol
  readonly #idle: UpstreamConnection[] = []
  /** HTTP/2 connections that take streams, the oldest first. */
  readonly #sessions: Http2Session[] = []
  /** How many requests a connection that is being opened will take, as far as is known. */
  #streamsPerConnection: number
  readonly #waiting: UpstreamUser[] = []
  #connecting = 0
  #retired = false
  #sweeping = false
  readonly #abandonConnects = new Set<() => void>()

  constructor(target: ConnectTarget, load: ClusterLoad, services: SessionServices, limits: PoolLimits, protocol: PoolProtocol = 'http1') {
    this.target = target
    this.#protocol = protocol
    this.#streamsPerConnection = protocol === 'http2' ? ASSUMED_STREAMS : 1
    this.#load = load
    this.#services = services
    this.#limits = limits
  }

  /** A connection at once, or the user's onConnection later. */
  acquire(user: UpstreamUser): Acquired {
    if (!this.#load.canRequest) return 'overflow'
    const connection = this.#takeIdle()
    if (connection !== undefined) {
      connection.lend(user)
      return connection
    }
    for (const session of this.#sessions) if (session.hasRoom) return this.#lendStream(session, user)
    if (!this.#load.canQueue) return 'overflow'
    this.#waiting.push(user)
    this.#load.pendingRequests++
    this.#openForWaiting()
    return 'waiting'
  }

  /** A waiting user that no longer wants one. */
  cancel(user: UpstreamUser): void {
    const index = this.#waiting.indexOf(user)
    if (index === -1) return
    this.#waiting.splice(index, 1)
    this.#load.pendingRequests--
  }

  /** The endpoint is gone: idle connections close, those in use and who waits for one finish. */
  retire(): void {
    this.#retired = true
    for (const connection of this.#idle.splice(0)) connection.close()
    // Who waits has chosen this endpoint already: the next session serves them and is retired then.
    for (const session of this.#sessions.splice(0)) session.retire()
  }

  /** The endpoint is back. */
  revive(): void {
    this.#retired = false
  }

  close(): void {
    this.#retired = true
    for (const connection of this.#idle.splice(0)) connection.close()
    for (const session of this.#sessions.splice(0)) session.close()
    for (const abandon of this.#abandonConnects) abandon()
    this.size -= this.#connecting
    this.#load.connections -= this.#connecting
    this.#connecting = 0
    this.#abandonConnects.clear()
  }

  connectionFreed(connection: UpstreamConnection): void {
    const limit = this.#limits.maxRequestsPerConnection
    if (limit !== undefined && limit > 0 && connection.served >= limit) return connection.close()
    // Also when retired: who waits here has chosen this endpoint already. Closed instead, the connection would be opened again for ever.
    const user = this.#waiting.shift()
    if (user !== undefined) return this.#serve(user, connection)
    if (this.#retired) return connection.close()
    connection.idleSinceMs = this.#services.clock.monotonicMs()
    this.#idle.push(connection)
    if (!this.#sweeping) this.#scheduleSweep()
  }

  connectionClosed(connection: UpstreamConnection): void {
    this.size--
    this.#load.connections--
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    if (this.#waiting.length > 0) this.#openForWaiting()
  }

  sessionReady(session: Http2Session): void {
    while (this.#waiting.length > 0 && session.hasRoom) {
      const user = this.#waiting.shift()
      if (user === undefined) break
      this.#load.pendingRequests--
      user.onConnection(this.#lendStream(session, user))
    }
    // The peer takes fewer than was assumed.
    if (this.#waiting.length > 0) this.#openForWaiting()
    if (this.#retired && this.#waiting.length === 0) session.retire()
    else if (session.activeStreams === 0 && !this.#sweeping) this.#scheduleSweep()
  }

  sessionRetired(session: Http2Session): void {
    const index = this.#sessions.indexOf(session)
    if (index !== -1) this.#sessions.splice(index, 1)
    if (this.#waiting.length > 0) this.#openForWaiting()
  }

  sessionClosed(session: Http2Session): void {
    this.size--
    this.#load.connections--
    this.sessionRetired(session)
  }

  #lendStream(session: Http2Session, user: UpstreamUser): UpstreamStream {
    const stream = session.lend(user)
    const limit = this.#limits.maxRequestsPerConnection
    // Envoy: the connection takes no more and ends with this request.
    if (limit !== undefined && limit > 0 && session.served >= limit) queueMicrotask(() => session.retire())
    return stream
  }

  #takeIdle(): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined || connection.isOpen) return connection
      connection.close()
    }
  }

  #serve(user: UpstreamUser, connection: UpstreamConnection): void {
    this.#load.pendingRequests--
    connection.lend(user)
    user.onConnection(connection)
  }

  #openForWaiting(): void {
    // Envoy: an endpoint without any connection may have one even when the cluster's limit is reached, so that nothing starves.
    while (this.#connecting * this.#streamsPerConnection < this.#waiting.length && (this.#load.canConnect || this.size === 0)) this.#open()
  }

  #open(): void {
    this.size++
    this.totalConnections++
    this.#connecting++
    this.#load.connections++
    const handler: ConnectHandler = {
      opened: (opened) => {
        this.#connecting--
        this.#abandonConnects.delete(abandon)
        this.#serveWith(opened)
      },
      failed: (failure, reason) => {
        this.#connecting--
        this.size--
        this.#load.connections--
        this.connectFailures++
        this.#abandonConnects.delete(abandon)
        this.#failWaiting(failure, reason)
      },
    }
    const abandon = openConnection(this.target, this.#services, handler, new ReadBuffer(TUNNEL_LARGE))
    this.#abandonConnects.add(abandon)
  }

  #serveWith(opened: Opened): void {
    const speaksHttp2 = this.#protocol === 'http2' || (this.#protocol === 'auto' && HTTP2_ALPN.has(opened.alpn))
    if (this.#protocol === 'auto') this.#streamsPerConnection = speaksHttp2 ? ASSUMED_STREAMS : 1
    if (!speaksHttp2) return this.connectionFreed(new UpstreamConnection(opened, this))
    const session = new Http2Session(opened, this, this.#services, this.#limits.http2 ?? sessionOptions(undefined))
    session.idleSinceMs = this.#services.clock.monotonicMs()
    this.#sessions.push(session)
    this.sessionReady(session)
  }

  /** Envoy: a failed connect fails all that wait on this endpoint; each decides whether to try another. */
  #failWaiting(failure: FailureKind, reason: string): void {
    const users = this.#waiting.splice(0)
    this.#load.pendingRequests -= users.length
    for (const user of users) user.onUpstreamFailure(failure, reason)
  }

  #scheduleSweep(): void {
    const { idleTimeoutMs } = this.#limits
    if (idleTimeoutMs <= 0) return
    this.#sweeping = true
    this.#services.wheel.after(Math.max(idleTimeoutMs / 2, 1), () => this.#sweep())
  }

  /** Those that have been idle since `beforeMs` or longer; they are in order of their age, the oldest first. */
  closeIdle(beforeMs: number): void {
    while (this.#idle.length > 0 && (this.#idle[0]?.idleSinceMs ?? 0) <= beforeMs) this.#idle.shift()?.close()
    for (const session of [...this.#sessions]) if (session.activeStreams === 0 && session.idleSinceMs <= beforeMs) session.retire()
  }

  #sweep(): void {
    this.#sweeping = false
    this.closeIdle(this.#services.clock.monotonicMs() - this.#limits.idleTimeoutMs)
    if (this.#idle.length > 0 || this.#sessions.some((session) => session.activeStreams === 0)) this.#scheduleSweep()
  }
}

/** RFC 9113 6.5.2: no server should allow fewer; corrected by the first one that does. */
const ASSUMED_STREAMS = 100
