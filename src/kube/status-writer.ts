// Writes conditions into the status subresource of the mesh's objects. Made by bin; operator/status says what each status should be.
// Invariant: only what changed is written, at a bounded rate; of several wishes for one object the newest is written; conditions that
// others own stay as they are; an object that was replaced by another of its name is left alone.
import { backoffMs } from '../base/backoff.ts'
import { type Clock, delay } from '../base/clock.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KubeClient } from './client.ts'
import { type DesiredStatus, statusPatch } from './conditions.ts'
import { isPassing, type KubeFailure } from './failure.ts'
import { OneWorker } from './one-worker.ts'
import { pathOf, type Resource } from './resource.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

export interface StatusTarget {
  readonly resource: Resource
  readonly namespace: string
  readonly name: string
  /** Of the object that was judged. */
  readonly uid?: string | undefined
}

/** The object as the informer last saw it: spares a request. */
export interface PresentStatus {
  readonly resourceVersion: string
  readonly status: unknown
}

export interface StatusWriterOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  /** Asked before each write: only the leader writes. What waits while it says no is forgotten. */
  readonly allowed?: () => boolean
  readonly fieldManager?: string
  readonly rate?: Rate
  readonly maxPending?: number
}

export interface StatusWriter {
  /** Returns at once. */
  set(target: StatusTarget, desired: DesiredStatus, present?: PresentStatus): void
  readonly counts: StatusCounts
  /** Resolves when nothing waits or is under way. */
  idle(): Promise<void>
  stop(): Promise<void>
}

export interface StatusCounts {
  readonly pending: number
  readonly written: number
  /** Was so already. */
  readonly unchanged: number
  readonly conflicts: number
  /** The object is gone, or another one has its name. */
  readonly gone: number
  readonly dropped: number
  readonly failed: number
}

/** 20 a second is what client-go gives a controller; a mesh of 1,000 objects is written in under a minute. */
const RATE: Rate = { perSecond: 20, burst: 40 }
const MAX_PENDING = 20_000
const RETRY = { baseMs: 500, maxMs: 30_000 } as const
/** Others write the same object: so often in a row before it goes to the end of the queue. */
const MAX_CONFLICTS = 5

interface Wish {
  readonly target: StatusTarget
  readonly desired: DesiredStatus
  readonly present: PresentStatus | undefined
}

type Outcome = 'written' | 'unchanged' | 'gone' | KubeFailure

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const writer = new Writer(options)
  return {
    set: (target, desired, present) => writer.set({ target, desired, present }),
    get counts() {
      return { ...writer.counts, pending: writer.pending }
    },
    idle: () => writer.idle(),
    stop: () => writer.stop(),
  }
}

class Writer {
  readonly counts = { written: 0, unchanged: 0, conflicts: 0, gone: 0, dropped: 0, failed: 0 }
  readonly #options: StatusWriterOptions
  readonly #log: Logger
  readonly #bucket: TokenBucket
  readonly #wishes = new Map<string, Wish>()
  readonly #stopping = new AbortController()
  readonly #worker = new OneWorker(() => this.#drain())
  #failuresInARow = 0

  constructor(options: StatusWriterOptions) {
    this.#options = options
    this.#log = options.log ?? silentLogger
    this.#bucket = new TokenBucket(options.rate ?? RATE, options.clock)
  }

  get pending(): number {
    return this.#wishes.size
  }

  set(wish: Wish): void {
    if (this.#stopping.signal.aborted || this.#options.allowed?.() === false) return
    const { resource, namespace, name } = wish.target
    // An object that waits keeps its place in the queue, with the newest wish.
    this.#wishes.set(pathOf(resource, { namespace, name }), wish)
    for (const oldest of this.#wishes.keys()) {
      if (this.#wishes.size <= (this.#options.maxPending ?? MAX_PENDING)) break
      this.#wishes.delete(oldest)
      this.counts.dropped++
    }
    this.#worker.wake()
  }

  idle(): Promise<void> {
    return this.#worker.working
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wishes.clear()
    await this.#worker.working
  }

  async #drain(): Promise<void> {
    const { clock, allowed } = this.#options
    const { signal } = this.#stopping
    for (let next = first(this.#wishes); next !== undefined && !signal.aborted; next = first(this.#wishes)) {
      if (allowed?.() === false) return this.#wishes.clear()
      const [key, wish] = next
      // Judged by what the informer saw: an unchanged status costs neither a request nor a token.
      if (wish.present !== undefined && statusPatch(wish.present.status, wish.desired, clock.nowMs()) === undefined) {
        this.#wishes.delete(key)
        this.counts.unchanged++
      } else if (this.#bucket.take()) {
        this.#wishes.delete(key)
        await this.#settle(key, wish, await this.#write(wish))
      } else await delay(clock, this.#bucket.waitMs, signal)
    }
  }

  async #settle(key: string, wish: Wish, outcome: Outcome): Promise<void> {
    if (typeof outcome === 'string') {
      this.counts[outcome]++
      this.#failuresInARow = 0
      return
    }
    if (outcome.reason === 'Aborted') return
    if (!isPassing(outcome) && outcome.status !== 409) {
      this.counts.failed++
      return this.#log.warn('a status cannot be written', { failure: outcome.message })
    }
    // Without what the informer saw: it is older than what made the write fail. A newer wish wins.
    if (!this.#wishes.has(key)) this.#wishes.set(key, { ...wish, present: undefined })
    const { clock, random } = this.#options
    this.#log.debug('a status is written later', { failure: outcome.message })
    const waitMs = Math.max(backoffMs(RETRY, this.#failuresInARow++, random), outcome.retryAfterMs ?? 0)
    await delay(clock, waitMs, this.#stopping.signal)
  }

  async #write({ target, desired, present: seen }: Wish): Promise<Outcome> {
    let present = seen
    for (let conflicts = 0; ; conflicts++) {
      const known = present ?? (await this.#read(target))
      if (known === 'gone' || 'reason' in known) return known
      const status = statusPatch(known.status, desired, this.#options.clock.nowMs())
      if (status === undefined) return 'unchanged'
      const failure = await this.#patch(target, known.resourceVersion, status)
      if (failure === undefined) return 'written'
      if (failure.reason === 'NotFound') return 'gone'
      if (failure.reason !== 'Conflict' || conflicts === MAX_CONFLICTS) return failure
      this.counts.conflicts++
      present = undefined
    }
  }

  async #read({ resource, namespace, name, uid }: StatusTarget): Promise<PresentStatus | 'gone' | KubeFailure> {
    const found = await this.#options.client.get(resource, { namespace, name }, { signal: this.#stopping.signal })
    if (!found.ok) return found.failure.reason === 'NotFound' ? 'gone' : found.failure
    if (uid !== undefined && found.value.metadata.uid !== uid) return 'gone'
    return { resourceVersion: found.value.metadata.resourceVersion ?? '', status: found.value.status }
  }

  async #patch(target: StatusTarget, resourceVersion: string, status: object): Promise<KubeFailure | undefined> {
    const { client, fieldManager = 'lateen' } = this.#options
    const { resource, namespace, name } = target
    // The version is a precondition: a list of conditions is replaced as a whole, and must not undo what others wrote since. It stands
    // for the uid too (versions are unique in the cluster); a uid in the patch of a status would be ignored.
    const metadata = { resourceVersion }
    const request = { signal: this.#stopping.signal, fieldManager }
    const place = { namespace, name, subresource: 'status' }
    const patched = await client.patch(resource, place, { type: 'merge', body: { metadata, status } }, request)
    return patched.ok ? undefined : patched.failure
  }
}

function first<K, V>(map: ReadonlyMap<K, V>): [K, V] | undefined {
  return map.entries().next().value
}
