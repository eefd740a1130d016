// Kubernetes Events (events.k8s.io/v1): what a person must see with `kubectl describe` or `kubectl events`. Made by bin; status and the
// operator record into it. Invariant: recording never throws, never waits and never floods: equal events become one with a count, an object
// gets a few per minute, the queue is bounded, and what is dropped is counted.
import { backoffMs } from '../base/backoff.ts'
import { type Clock, delay } from '../base/clock.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KubeClient } from './client.ts'
import { isPassing, type KubeFailure } from './failure.ts'
import { microTime } from './lease-record.ts'
import { OneWorker } from './one-worker.ts'
import { resourceOf } from './resource.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

export interface EventSubject {
  readonly apiVersion: string
  readonly kind: string
  /** Empty outside namespaces: the Event is then in `default`, as everybody's. */
  readonly namespace: string
  readonly name: string
  readonly uid?: string | undefined
}

export interface EventNote {
  readonly regarding: EventSubject
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines: `RouteConflicted`. */
  readonly reason: string
  /** What was done: `Compile`, `Inject`. */
  readonly action: string
  /** For people; cut at 1 KiB. */
  readonly message: string
}

export interface EventRecorderOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  /** `lateen.dev/control-plane` */
  readonly controller: string
  /** This process: the pod's name. */
  readonly instance: string
  /** Asked before each write: only the leader writes. */
  readonly allowed?: () => boolean
  /** Per object. */
  readonly rate?: Rate
  readonly maxQueue?: number
}

export interface EventRecorder {
  record(note: EventNote): void
  readonly counts: EventCounts
  /** Resolves when nothing is queued or under way. */
  idle(): Promise<void>
  stop(): Promise<void>
}

export interface EventCounts {
  readonly written: number
  /** Joined with one that is written or waits. */
  readonly joined: number
  readonly dropped: number
  readonly failed: number
}

const EVENT = resourceOf('Event')
/** An object's first ten at once, then one a minute (client-go: 25, then one in five minutes). */
const RATE: Rate = { perSecond: 1 / 60, burst: 10 }
const MAX_QUEUE = 500
/** How many different events, and objects, are remembered. */
const MAX_REMEMBERED = 2000
/** An event that comes back later than this is a new one; the API server forgets events after an hour. */
const SERIES_MS = 30 * 60_000
/** The API server's limit on `note`. */
const MAX_NOTE = 1024
const RETRY = { baseMs: 500, maxMs: 10_000 } as const
const MAX_TRIES = 4

interface Series {
  readonly note: EventNote
  readonly name: string
  count: number
  firstMs: number
  lastMs: number
  state: 'queued' | 'written'
  /** The Event exists on the server: write its count, not a second one. */
  created: boolean
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const recorder = new Recorder(options)
  return {
    record: (note) => recorder.record(note),
    get counts() {
      return { ...recorder.counts }
    },
    idle: () => recorder.idle(),
    stop: () => recorder.stop(),
  }
}

class Recorder {
  readonly counts = { written: 0, joined: 0, dropped: 0, failed: 0 }
  readonly #options: EventRecorderOptions
  readonly #log: Logger
  readonly #series = new Map<string, Series>()
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #queue: Series[] = []
  readonly #stopping = new AbortController()
  readonly #worker = new OneWorker(() => this.#drain())
  #names = 0

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#log = options.log ?? silentLogger
  }

  record(note: EventNote): void {
    if (this.#stopping.signal.aborted || this.#options.allowed?.() === false) return
    const { namespace, name, kind, uid = '' } = note.regarding
    const subject = `${kind}/${namespace}/${name}/${uid}`
    const key = JSON.stringify([subject, note.type, note.reason, note.action, note.message])
    const known = this.#seriesOf(key, note)
    if (known.state === 'queued') {
      this.counts.joined++
      return
    }
    if (!this.#bucketOf(subject).take() || this.#queue.length >= (this.#options.maxQueue ?? MAX_QUEUE)) {
      this.counts.dropped++
      if (!known.created) this.#series.delete(key)
      else known.state = 'written'
      return
    }
    if (known.count > 1) this.counts.joined++
    known.state = 'queued'
    this.#queue.push(known)
    this.#worker.wake()
  }

  idle(): Promise<void> {
    return this.#worker.working
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#queue.length = 0
    await this.#worker.working
  }

  /** The series of equal notes, this one counted. */
  #seriesOf(key: string, note: EventNote): Series {
    const nowMs = this.#options.clock.nowMs()
    const known = this.#series.get(key)
    this.#series.delete(key) // and in again at the end: the map is in the order of last use
    const current = known !== undefined && nowMs - known.lastMs < SERIES_MS ? known : this.#newSeries(note, nowMs)
    current.count++
    current.lastMs = nowMs
    this.#series.set(key, current)
    forgetOldest(this.#series, MAX_REMEMBERED)
    return current
  }

  #newSeries(note: EventNote, nowMs: number): Series {
    const name = `${note.regarding.name.slice(0, 200)}.${nowMs.toString(16)}${(this.#names++ % 4096).toString(16).padStart(3, '0')}`
    return { note, name, count: 0, firstMs: nowMs, lastMs: nowMs, state: 'written', created: false }
  }

  #bucketOf(subject: string): TokenBucket {
    const bucket = this.#buckets.get(subject) ?? new TokenBucket(this.#options.rate ?? RATE, this.#options.clock)
    this.#buckets.delete(subject)
    this.#buckets.set(subject, bucket)
    forgetOldest(this.#buckets, MAX_REMEMBERED)
    return bucket
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await this.#write(next)
  }

  async #write(series: Series): Promise<void> {
    const { clock, random } = this.#options
    for (let tries = 1; !this.#stopping.signal.aborted; tries++) {
      series.state = 'written' // what is recorded from here on is the next write's
      const failure = await this.#writeOnce(series)
      if (failure === undefined) {
        this.counts.written++
        return
      }
      if (!isPassing(failure) || tries === MAX_TRIES) {
        this.counts.failed++
        return this.#log.debug('an Event could not be written', { failure: failure.message, reason: series.note.reason })
      }
      await delay(clock, Math.max(backoffMs(RETRY, tries - 1, random), failure.retryAfterMs ?? 0), this.#stopping.signal)
    }
  }

  async #writeOnce(series: Series): Promise<KubeFailure | undefined> {
    const { client } = this.#options
    const request = { signal: this.#stopping.signal }
    const namespace = series.note.regarding.namespace === '' ? 'default' : series.note.regarding.namespace
    const count = { count: series.count, lastObservedTime: microTime(series.lastMs) }
    if (series.created) {
      const patched = await client.patch(EVENT, { namespace, name: series.name }, { type: 'merge', body: { series: count } }, request)
      if (patched.ok) return undefined
      if (patched.failure.reason !== 'NotFound') return patched.failure
    }
    const created = await client.create(EVENT, this.#draft(series, namespace, count), request)
    // Ours, from an attempt whose answer was lost.
    if (!created.ok && created.failure.reason !== 'AlreadyExists') return created.failure
    series.created = true
    return undefined
  }

  #draft({ note, name, firstMs, count }: Series, namespace: string, series: object): Parameters<KubeClient['create']>[1] {
    const { apiVersion, kind, name: subject, uid } = note.regarding
    const inside = note.regarding.namespace === '' ? {} : { namespace: note.regarding.namespace }
    return {
      metadata: { name, namespace },
      eventTime: microTime(firstMs),
      regarding: { apiVersion, kind, name: subject, ...inside, ...(uid === undefined ? {} : { uid }) },
      type: note.type,
      reason: note.reason.slice(0, 128),
      action: note.action.slice(0, 128),
      note: Buffer.byteLength(note.message) <= MAX_NOTE ? note.message : `${Buffer.from(note.message).subarray(0, MAX_NOTE - 8)}...`,
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      // A series has at least two.
      ...(count > 1 ? { series } : {}),
    }
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}
