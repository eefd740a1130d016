// A local copy of all objects of a kind: listed once, then watched; survives the API server's restarts with its last good content.
// Used by the operator, the CA, status and whoever must know a kind at any moment.
// Invariant: `current` holds what `reduce` gave of every object the API server has told us about; a change that `reduce` does not
// show is not announced, and an object that vanished while we were away is announced as removed.
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KubeClient } from './client.ts'
import { failureOf, type KubeFailure } from './failure.ts'
import { type KubeObject, keyOfObject } from './object.ts'
import { runReflector } from './reflector.ts'
import { describe, type Resource } from './resource.ts'

export interface InformerOptions<T> {
  readonly client: KubeClient
  readonly resource: Resource
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  /** Absent or empty: all. Each namespace is a list and a watch of its own, which a Role in it allows. */
  readonly namespaces?: readonly string[] | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  /** What is kept of an object; undefined: nothing, as if it were not there. Pure. Leave out managedFields, resourceVersion and whatever
   *  changes without meaning anything to you: an equal result is silence. */
  readonly reduce: (object: KubeObject) => T | undefined
  /** A kind that the API server does not serve (404) counts as an empty one, asked for again every half minute: for optional CRDs. */
  readonly absentIsEmpty?: boolean
  /** `health` says something else: a failure, a first list, a watch that opened or ended. */
  readonly onHealth?: () => void
}

/** Keys are `namespace/name` (`/name` outside namespaces). Read the values from `current`. */
export interface InformerChange {
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

export interface InformerHealth {
  /** The first list is complete. */
  readonly synced: boolean
  /** Every watch is open. False while the API server is away: `current` is then the last that we know. */
  readonly connected: boolean
  readonly objects: number
  /** Wall clock of the last complete list or event or bookmark; 0: never. */
  readonly lastSyncMs: number
  readonly lists: number
  readonly watches: number
  readonly events: number
  /** Changes that `reduce` did not show. */
  readonly unchanged: number
  readonly failures: number
  readonly lastFailure: KubeFailure | undefined
}

export interface Informer<T> {
  readonly resource: Resource
  /** Resolves when the first list is complete in every namespace; never rejects: the API server may come up later than we do. */
  readonly synced: Promise<void>
  /** Live: the same map changes. */
  readonly current: ReadonlyMap<string, T>
  readonly health: InformerHealth
  /** One call for each page of a list and each piece of a watch; also before `synced`. Returns the way to stop. */
  watch(listener: (change: InformerChange) => void): () => void
  stop(): Promise<void>
}

export function startInformer<T>(options: InformerOptions<T>): Informer<T> {
  const scopes = options.namespaces === undefined || options.namespaces.length === 0 ? [undefined] : [...new Set(options.namespaces)]
  const stopping = new AbortController()
  const counters = new Counters(scopes.length)
  const onHealth = options.onHealth ?? (() => undefined)
  const { client, resource, clock, random, log = silentLogger, labelSelector, fieldSelector, absentIsEmpty = false } = options
  const store = new Store(options.reduce, ({ metadata: { namespace, name } }, error) => {
    const failure = failureOf(`read ${describe(resource, { namespace, name })}`, 0, 'Malformed', errorMessage(error))
    counters.fail(failure)
    log.error('an object cannot be read and is passed over', { failure: failure.message })
  })
  const reflectors = scopes.map((namespace, index) => {
    let resolveSynced: () => void = () => undefined
    const synced = new Promise<void>((resolve) => {
      resolveSynced = resolve
    })
    const done = runReflector(
      {
        client,
        resource,
        clock,
        random,
        log: log.child({ resource: resource.plural, ...(namespace === undefined ? {} : { namespace }) }),
        selection: { namespace, labelSelector, fieldSelector },
        absentIsEmpty,
        signal: stopping.signal,
      },
      {
        known: () => store.keysOf(namespace),
        put: (objects) => store.put(objects),
        remove: (keys) => store.remove(keys),
        listed: () => {
          counters.lists++
          counters.lastSyncMs = clock.nowMs()
          resolveSynced()
        },
        connected: (is) => {
          counters.setConnected(index, is)
          onHealth()
        },
        heard: (events) => {
          counters.events += events
          counters.lastSyncMs = clock.nowMs()
        },
        failed: (failure) => {
          counters.fail(failure)
          onHealth()
        },
      },
    )
    return { synced, done }
  })
  let isSynced = false
  const synced = Promise.all(reflectors.map((reflector) => reflector.synced)).then(() => {
    isSynced = true
    onHealth()
  })
  return {
    resource,
    synced,
    current: store.values,
    get health() {
      return { ...counters.snapshot(), synced: isSynced, objects: store.values.size, unchanged: store.unchanged }
    },
    watch: (listener) => store.watch(listener),
    stop: async () => {
      stopping.abort()
      await Promise.all(reflectors.map((reflector) => reflector.done))
    },
  }
}

const FAILED = Symbol('failed')

/** What was kept, and who wants to know of changes. */
class Store<T> {
  readonly values = new Map<string, T>()
  unchanged = 0
  readonly #reduce: (object: KubeObject) => T | undefined
  readonly #onUnreadable: (object: KubeObject, error: unknown) => void
  readonly #versions = new Map<string, string | undefined>()
  readonly #listeners = new Set<(change: InformerChange) => void>()

  constructor(reduce: (object: KubeObject) => T | undefined, onUnreadable: (object: KubeObject, error: unknown) => void) {
    this.#reduce = reduce
    this.#onUnreadable = onUnreadable
  }

  keysOf(namespace: string | undefined): Iterable<string> {
    if (namespace === undefined) return this.#versions.keys()
    return this.#versions.keys().filter((key) => key.startsWith(`${namespace}/`))
  }

  put(objects: readonly KubeObject[]): void {
    const changed: string[] = []
    const removed: string[] = []
    for (const object of objects) {
      const key = keyOfObject(object)
      const { resourceVersion } = object.metadata
      // A relist brings what we have: the same version is the same content.
      if (resourceVersion !== undefined && this.#versions.get(key) === resourceVersion) continue
      this.#versions.set(key, resourceVersion)
      const value = this.#tryToReduce(object)
      if (value === FAILED) continue
      if (value === undefined) {
        if (this.values.delete(key)) removed.push(key)
      } else if (this.values.has(key) && isDeepStrictEqual(this.values.get(key), value)) this.unchanged++
      else {
        this.values.set(key, value)
        changed.push(key)
      }
    }
    this.#announce({ changed, removed })
  }

  remove(keys: readonly string[]): void {
    for (const key of keys) this.#versions.delete(key)
    this.#announce({ changed: [], removed: keys.filter((key) => this.values.delete(key)) })
  }

  watch(listener: (change: InformerChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** A reducer that fails on one object must not cost us the others; of this one we keep what we had. */
  #tryToReduce(object: KubeObject): T | undefined | typeof FAILED {
    try {
      return this.#reduce(object)
    } catch (error) {
      this.#onUnreadable(object, error)
      return FAILED
    }
  }

  #announce(change: InformerChange): void {
    if (change.changed.length === 0 && change.removed.length === 0) return
    for (const listener of [...this.#listeners]) listener(change)
  }
}

class Counters {
  lists = 0
  events = 0
  lastSyncMs = 0
  #watches = 0
  #failures = 0
  #lastFailure: KubeFailure | undefined
  readonly #connected: boolean[]

  constructor(scopes: number) {
    this.#connected = new Array<boolean>(scopes).fill(false)
  }

  setConnected(index: number, is: boolean): void {
    if (is) this.#watches++
    this.#connected[index] = is
  }

  fail(failure: KubeFailure): void {
    this.#failures++
    this.#lastFailure = failure
  }

  snapshot(): Omit<InformerHealth, 'synced' | 'objects' | 'unchanged'> {
    return {
      connected: this.#connected.every((is) => is),
      lastSyncMs: this.lastSyncMs,
      lists: this.lists,
      watches: this.#watches,
      events: this.events,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
    }
  }
}
