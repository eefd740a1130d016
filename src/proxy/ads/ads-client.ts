// Keeps one delta ADS stream to the control plane: connects, answers, and comes back with jittered back-off when it ends.
// Made by bin/proxy.ts. Losing the control plane changes nothing that is held: the proxy goes on with its last good configuration.
// Invariant: `onChange` runs at most once per loop turn, however many responses came in it.
import { type BackoffOptions, backoffMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { formatProblems } from '../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { Codec } from '../../envoy/codec/codec.ts'
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import { DELTA_ADS_PATH, resourceTypeNames } from '../../envoy/type-urls.ts'
import type { GrpcCall } from '../grpc/call.ts'
import type { GrpcChannel } from '../grpc/channel.ts'
import { formatStatus, type GrpcStatus } from '../grpc/status.ts'
import type { AdsState, Step } from './ads-state.ts'

export interface AdsClientOptions<T> {
  readonly channel: GrpcChannel
  readonly state: AdsState<T>
  readonly codec: Codec
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly onChange: () => void
}

/** Envoy begins so too, but waits up to 30 s: after an outage, changes that waited would wait as long again. Five seconds, jittered, is
 *  what a thousand proxies can ask of a control plane that is just coming back. */
const BACKOFF: BackoffOptions = { baseMs: 500, maxMs: 5000 }
const REQUEST = 'envoy.service.discovery.v3.DeltaDiscoveryRequest'
const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse'

export interface AdsStatus {
  readonly connected: boolean
  /** Streams that ended, ever. */
  readonly disconnects: number
  readonly rejectedUpdates: number
  /** Why the last stream ended; '' before the first end. */
  readonly lastError: string
}

export class AdsClient<T> {
  readonly #options: AdsClientOptions<T>
  readonly #status = new Watchable<AdsStatus>({ connected: false, disconnects: 0, rejectedUpdates: 0, lastError: '' })
  #call: GrpcCall | undefined
  #retry: Timer | undefined
  #attempt = 0
  #changeDue = false
  #stopped = false

  constructor(options: AdsClientOptions<T>) {
    this.#options = options
  }

  get status(): ReadonlyWatchable<AdsStatus> {
    return this.#status
  }

  start(): void {
    void this.#connect()
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
    this.#call?.cancel()
    this.#options.channel.close()
  }

  async #connect(): Promise<void> {
    const { channel, state } = this.#options
    const call = await channel.start(
      { path: DELTA_ADS_PATH, metadata: [], deadlineMs: undefined },
      { message: (bytes) => this.#onMessage(bytes), ended: (status) => this.#onEnded(status) },
    )
    if (call === undefined) return
    if (this.#stopped) return call.cancel()
    this.#call = call
    this.#send(state.connected())
  }

  #onMessage(bytes: Buffer): void {
    const { codec, state, log, clock } = this.#options
    // Resources stay encoded here: each is decoded on its own, so that a bad one does not spoil its neighbours.
    const response = codec.decode(RESPONSE, bytes, { keepAny: true, onUnsupported: () => undefined })
    if (!response.ok) {
      log.error('the control plane sent a message that cannot be read', { problem: formatProblems(response.problems) })
      this.#call?.cancel()
      return
    }
    this.#attempt = 0
    if (!this.#status.value.connected) {
      this.#status.set({ ...this.#status.value, connected: true })
      log.info('connected to the control plane')
    }
    this.#take(response.value.typeUrl ?? '', state.received(response.value, clock.nowMs()))
  }

  #take(typeUrl: string, step: Step): void {
    if (step.rejected.length > 0) {
      this.#status.set({ ...this.#status.value, rejectedUpdates: this.#status.value.rejectedUpdates + 1 })
      const type = resourceTypeNames[typeUrl] ?? typeUrl
      this.#options.log.warn('rejected an update, the old resources stay in force', { type, problem: formatProblems(step.rejected) })
    }
    this.#send(step.requests)
    if (step.changed) this.#announce()
  }

  #announce(): void {
    if (this.#changeDue) return
    this.#changeDue = true
    setImmediate(() => {
      this.#changeDue = false
      if (!this.#stopped) this.#options.onChange()
    })
  }

  #send(requests: readonly DeltaDiscoveryRequest[]): void {
    for (const request of requests) this.#call?.send(this.#options.codec.encode(REQUEST, request))
  }

  #onEnded(status: GrpcStatus): void {
    this.#call = undefined
    this.#options.state.disconnected()
    if (this.#stopped) return
    const waitMs = backoffMs(BACKOFF, this.#attempt++, this.#options.random)
    const lastError = formatStatus(status)
    this.#status.set({ ...this.#status.value, connected: false, disconnects: this.#status.value.disconnects + 1, lastError })
    this.#options.log.warn('no connection to the control plane, going on with the last good configuration', {
      reason: lastError,
      retryInMs: Math.round(waitMs),
    })
    this.#retry = this.#options.clock.after(waitMs, () => void this.#connect())
  }
}
