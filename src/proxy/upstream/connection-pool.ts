// The connections to one endpoint over one transport. Idle ones are lent newest first, so that the rest grow old and are closed.
// Requests wait here while a connection is being opened or a circuit breaker holds the number of connections.
// Invariant: a connection is idle, lent, or gone; a waiting user is told exactly once.
import type { FailureKind } from '../rescue.ts'
import type { ClusterLoad } from './circuit-breaker.ts'
import { type ConnectHandler, type ConnectServices, type ConnectTarget, openConnection } from './connect.ts'
import { ReadBuffer } from './read-buffer.ts'
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts'

export interface PoolLimits {
  idleTimeoutMs: number
  maxRequestsPerConnection: number | undefined
}

export type Acquired = UpstreamStream | 'waiting' | 'overflow'

export class ConnectionPool implements ConnectionOwner {
  /** Connections that exist or are being opened. */
  size = 0
  totalConnections = 0
  connectFailures = 0

  readonly target: ConnectTarget
  readonly #load: ClusterLoad
  readonly #services: ConnectServices
  readonly #limits: PoolLimits
  readonly #idle: UpstreamConnection[] = []
  readonly #waiting: UpstreamUser[] = []
  #connecting = 0
  #retired = false
  #sweeping = false
  readonly #abandonConnects = new Set<() => void>()

  constructor(target: ConnectTarget, load: ClusterLoad, services: ConnectServices, limits: PoolLimits) {
    this.target = target
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
  }

  /** The endpoint is back. */
  revive(): void {
    this.#retired = false
  }

  close(): void {
    this.#retired = true
    for (const connection of this.#idle.splice(0)) connection.close()
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
    while (this.#connecting < this.#waiting.length && (this.#load.canConnect || this.size === 0)) this.#open()
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
        this.connectionFreed(new UpstreamConnection(opened, this))
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
    const abandon = openConnection(this.target, this.#services, handler, new ReadBuffer())
    this.#abandonConnects.add(abandon)
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

  /** Idle ones are in order of their age, the oldest first. */
  #sweep(): void {
    this.#sweeping = false
    const before = this.#services.clock.monotonicMs() - this.#limits.idleTimeoutMs
    while (this.#idle.length > 0 && (this.#idle[0]?.idleSinceMs ?? 0) <= before) this.#idle.shift()?.close()
    if (this.#idle.length > 0) this.#scheduleSweep()
  }
}
