// Leader election over a coordination.k8s.io/v1 Lease: of N replicas one is the leader, and only the leader writes to the cluster.
// Made by bin; asked by everything that writes (`isLeader()` before each write, `term.signal` for work in progress).
// Invariant: by its own monotonic clock a leader steps down before any other may take over: it counts from before its last successful
// renewal was SENT, for `renewDeadlineMs`; the others count from when they SAW that renewal, for the longer `leaseDurationMs`.
// No clocks are compared across machines (timestamps in the Lease are for people).
import { backoffMs } from '../base/backoff.ts'
import { type Clock, delay, type Timer } from '../base/clock.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { type ReadonlyWatchable, Watchable } from '../base/watchable.ts'
import type { KubeClient } from './client.ts'
import type { KubeFailure } from './failure.ts'
import { type LeaseRecord, leaseDraft, readLease } from './lease-record.ts'
import type { KubeObject } from './object.ts'
import { resourceOf } from './resource.ts'

export interface LeaseOptions {
  readonly client: KubeClient
  readonly namespace: string
  /** `lateen-leader` */
  readonly name: string
  /** Unique to this process, readable for people: the pod's name, perhaps with its address. */
  readonly identity: string
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  readonly leaseDurationMs?: number
  readonly renewDeadlineMs?: number
  readonly retryPeriodMs?: number
}

/** One term as leader. */
export interface Term {
  /** leaseTransitions: greater with every change of leader; a fencing token for what must not be written by a former one. */
  readonly number: number
  /** Aborts in the moment in which the term ends, for whatever reason. */
  readonly signal: AbortSignal
}

export interface Election {
  /** Undefined: somebody else leads, or nobody. */
  readonly term: ReadonlyWatchable<Term | undefined>
  /** Whoever leads as far as we have seen; '' when nobody does. */
  readonly holder: ReadonlyWatchable<string>
  /** Asks the clock: true only while no other replica may have taken over. */
  isLeader(): boolean
  readonly lastFailure: KubeFailure | undefined
  /** Ends the term first, then gives the Lease back, so that another need not wait for it to run out. */
  stop(): Promise<void>
}

const LEASE = resourceOf('Lease')
/** client-go's defaults, which every cluster's operator knows. */
const DEFAULTS = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 } as const

export function startElection(options: LeaseOptions): Election {
  const candidate = new Candidate(options)
  const running = candidate.run()
  return {
    term: candidate.term,
    holder: candidate.holder,
    isLeader: () => candidate.isLeader(),
    get lastFailure() {
      return candidate.lastFailure
    },
    stop: async () => {
      candidate.stopping.abort()
      candidate.stepDown('stopping')
      await running
      await candidate.release()
    },
  }
}

interface Observed {
  readonly record: LeaseRecord
  readonly resourceVersion: string | undefined
  /** Our own clock, when this record was first seen. */
  readonly atMs: number
}

class Candidate {
  readonly term = new Watchable<Term | undefined>(undefined)
  readonly holder = new Watchable<string>('')
  readonly stopping = new AbortController()
  lastFailure: KubeFailure | undefined
  readonly #options: LeaseOptions
  readonly #log: Logger
  readonly #leaseDurationMs: number
  readonly #renewDeadlineMs: number
  readonly #retryPeriodMs: number
  /** A request that hangs must leave time for another before the deadline. */
  readonly #requestMs: number
  #observed: Observed | undefined
  #leading: { readonly term: Term; readonly abort: AbortController; untilMs: number } | undefined
  #expiry: Timer | undefined

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#log = (options.log ?? silentLogger).child({ lease: `${options.namespace}/${options.name}`, identity: options.identity })
    this.#leaseDurationMs = options.leaseDurationMs ?? DEFAULTS.leaseDurationMs
    this.#renewDeadlineMs = options.renewDeadlineMs ?? DEFAULTS.renewDeadlineMs
    this.#retryPeriodMs = options.retryPeriodMs ?? DEFAULTS.retryPeriodMs
    this.#requestMs = this.#renewDeadlineMs / 2
  }

  isLeader(): boolean {
    return this.#leading !== undefined && this.#options.clock.monotonicMs() < this.#leading.untilMs
  }

  async run(): Promise<void> {
    const { clock, random } = this.#options
    const { signal } = this.stopping
    while (!signal.aborted) {
      await this.#tryToHold()
      // Half to one and a half periods: replicas that started together drift apart.
      const period = { baseMs: this.#retryPeriodMs, maxMs: this.#retryPeriodMs }
      await delay(clock, this.isLeader() ? backoffMs(period, 0, random) : this.#retryPeriodMs * (0.5 + random()), signal)
    }
  }

  stepDown(why: string): void {
    const leading = this.#leading
    if (leading === undefined) return
    this.#leading = undefined
    this.#expiry?.cancel()
    this.#log.info('no longer the leader', { why, term: leading.term.number })
    leading.abort.abort()
    this.term.set(undefined)
  }

  /** Only what is ours is given back, and only as we know it: a conflict means that it is ours no longer. */
  async release(): Promise<void> {
    const observed = this.#observed
    if (observed === undefined || observed.record.holder !== this.#options.identity) return
    const record = { ...observed.record, holder: '', leaseDurationMs: 1000, renewedAtMs: this.#options.clock.nowMs() }
    const released = await this.#write(record, observed.resourceVersion, this.#retryPeriodMs)
    if (released.ok) this.#log.info('gave the lease back')
  }

  /** One round: look, and take or renew what may be taken. */
  async #tryToHold(): Promise<void> {
    // Before anything is sent: whatever the others see, they see it later than this.
    const sentAtMs = this.#options.clock.monotonicMs()
    // The leader renews by what it knows, one request; everybody else, and a leader in doubt, looks first.
    if (this.#leading === undefined || this.#observed === undefined) {
      const looked = await this.#look()
      if (!looked || this.stopping.signal.aborted || !this.#mayTake()) return
    }
    const record = this.#nextRecord()
    const written = await this.#write(record, this.#observed?.resourceVersion)
    if (written.ok) this.#observe(written.value)
    if (this.stopping.signal.aborted) return
    if (written.ok) return this.#lead(record.transitions, sentAtMs)
    this.#fail(written.failure)
    // Somebody wrote, or our last renewal arrived and its answer did not: the next round looks. The deadline goes on meanwhile.
    if (['Conflict', 'AlreadyExists', 'NotFound'].includes(written.failure.reason)) this.#observed = undefined
  }

  /** False: we could not see. */
  async #look(): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options
    const found = await client.get(LEASE, { namespace, name }, { signal: this.stopping.signal, timeoutMs: this.#requestMs })
    if (found.ok) this.#observe(found.value)
    else if (found.failure.reason === 'NotFound') this.#observed = undefined
    else this.#fail(found.failure)
    const { holder } = this.#observed?.record ?? { holder: identity }
    if (found.ok && holder !== identity) this.stepDown(`the lease is held by '${holder}'`)
    return found.ok || found.failure.reason === 'NotFound'
  }

  #nextRecord(): LeaseRecord {
    const { identity, clock } = this.#options
    const old = this.#observed?.record
    const nowMs = clock.nowMs()
    const common = { holder: identity, leaseDurationMs: this.#leaseDurationMs, renewedAtMs: nowMs }
    const leading = this.#leading
    if (leading !== undefined) return { ...common, acquiredAtMs: old?.acquiredAtMs ?? nowMs, transitions: leading.term.number }
    return { ...common, acquiredAtMs: nowMs, transitions: (old?.transitions ?? 0) + 1 }
  }

  #mayTake(): boolean {
    const observed = this.#observed
    if (observed === undefined || observed.record.holder === '' || observed.record.holder === this.#options.identity) return true
    return this.#options.clock.monotonicMs() - observed.atMs >= Math.max(observed.record.leaseDurationMs, this.#leaseDurationMs)
  }

  #observe(object: KubeObject): void {
    const { resourceVersion } = object.metadata
    // The holder's renewal is a new version; the same version seen again tells nothing new.
    if (this.#observed !== undefined && this.#observed.resourceVersion === resourceVersion) return
    this.#observed = { record: readLease(object), resourceVersion, atMs: this.#options.clock.monotonicMs() }
    this.holder.set(this.#observed.record.holder)
  }

  #write(record: LeaseRecord, resourceVersion: string | undefined, timeoutMs = this.#requestMs): ReturnType<KubeClient['create']> {
    const { client, namespace, name } = this.#options
    const draft = leaseDraft({ namespace, name, resourceVersion }, record)
    const request = { timeoutMs }
    return resourceVersion === undefined ? client.create(LEASE, draft, request) : client.replace(LEASE, draft, request)
  }

  #lead(number: number, sentAtMs: number): void {
    const { clock } = this.#options
    const untilMs = sentAtMs + this.#renewDeadlineMs
    if (clock.monotonicMs() >= untilMs) return this.stepDown('the renewal took longer than the lease is worth')
    this.#expiry?.cancel()
    this.#expiry = clock.after(untilMs - clock.monotonicMs(), () => this.stepDown('the lease could not be renewed in time'))
    if (this.#leading !== undefined) {
      this.#leading.untilMs = untilMs
      return
    }
    const abort = new AbortController()
    const term = { number, signal: abort.signal }
    this.#leading = { term, abort, untilMs }
    this.#log.info('became the leader', { term: number })
    this.term.set(term)
  }

  #fail(failure: KubeFailure): void {
    if (failure.reason === 'Aborted') return
    this.lastFailure = failure
    this.#log.warn('cannot reach the lease', { failure: failure.message })
  }
}
