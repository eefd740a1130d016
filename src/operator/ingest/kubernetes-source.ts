// The wishes of a cluster's users: what the API server has of the kinds that the mesh is made of, followed by informers. The counterpart of
// config-source.ts. Read by the composition root, which hands `state` and `ready` to compile and shows `findings`.
// Invariants: nothing is published before every kind has been listed once, because half a cluster would look like a mesh without policies; a
// kind whose CRD is not there counts as empty; when the API server is away, what is known stays in force.
import { isDeepStrictEqual } from 'node:util'
import type { CheckOptions } from '../../api/check-options.ts'
import type { KindName } from '../../api/kinds.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { KubeClient } from '../../kube/client.ts'
import { type Informer, type InformerHealth, startInformer } from '../../kube/informer.ts'
import type { IngestState } from './config-source.ts'
import { ObjectsInForce } from './in-force-objects.ts'
import { emptyKubeState } from './kube-state.ts'
import type { Reduced } from './reduce.ts'
import { type WatchedKind, watchedKinds } from './watched-kinds.ts'

export interface KubernetesSourceOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly check: CheckOptions
  /** Where the control plane runs; also the mesh's root namespace. */
  readonly systemNamespace: string
  /** Name of the ConfigMap there whose key `mesh` is the MeshConfig: `lateen`, `lateen-REVISION`. */
  readonly meshConfigMap: string
  /** Objects of the mesh with the label istio.io/rev are read when it says this. */
  readonly revision: string
  /** Other names of the revision. */
  readonly tags?: ReadonlyWatchable<ReadonlySet<string>>
  /** Empty: the whole cluster. The system namespace is always watched. */
  readonly namespaces: readonly string[]
}

export interface KindHealth extends InformerHealth {
  readonly kind: KindName
  /** The cluster does not serve it: its CRD is not installed. */
  readonly isMissing: boolean
}

/** A kind of which we do not know what there is. */
export interface UnreadKind {
  readonly kind: KindName
  readonly isMissing: boolean
  /** We have not the right to. */
  readonly isForbidden: boolean
  readonly because: string
}

/** Events come in bursts: a rollout changes dozens of objects within a few milliseconds. */
const BATCH_MS = 10

interface Watched {
  readonly kind: WatchedKind
  readonly informer: Informer<Reduced>
  /** What changed since the last publishing. */
  readonly touched: Set<string>
}

export class KubernetesSource {
  readonly #options: KubernetesSourceOptions
  readonly #current = new Watchable<IngestState>({ state: emptyKubeState, findings: [] })
  readonly #ready = new Watchable<ReadonlySet<string>>(new Set())
  readonly #unread = new Watchable<readonly UnreadKind[]>([], isDeepStrictEqual)
  readonly #objects = new ObjectsInForce()
  #watched: readonly Watched[] = []
  #unwatchTags: () => void = () => undefined
  #isSynced = false
  #timer: Timer | undefined

  constructor(options: KubernetesSourceOptions) {
    this.#options = options
  }

  /** A new value only when an object or a Finding is different. */
  get current(): ReadonlyWatchable<IngestState> {
    return this.#current
  }

  /** `namespace/name` of the pods that answer. */
  get ready(): ReadonlyWatchable<ReadonlySet<string>> {
    return this.#ready
  }

  /** By kind, in the order in which they are watched. */
  get health(): readonly KindHealth[] {
    return this.#watched.map(({ kind, informer }) => {
      const { health } = informer
      const isMissing = kind.isOptional && !health.connected && health.lastFailure?.reason === 'NotFound'
      return { ...health, kind: kind.kind, isMissing }
    })
  }

  /** Kinds that the cluster does not serve or does not let us read, or has not let us read yet; one that fails later counts with its last
   *  good objects, and is here when we have lost the right. */
  get unread(): ReadonlyWatchable<readonly UnreadKind[]> {
    return this.#unread
  }

  /** Resolves with the first whole state published; waits for the API server as long as it takes. */
  async start(): Promise<void> {
    const { namespaces, systemNamespace, tags, log } = this.#options
    const scope = namespaces.length === 0 ? [] : [...new Set([...namespaces, systemNamespace])]
    this.#watched = watchedKinds({ ...this.#options, namespaces: scope }).map((kind) => this.#watch(kind, scope))
    this.#unwatchTags = tags?.watch(() => this.#lookAgain()) ?? this.#unwatchTags
    await Promise.all(this.#watched.map(({ informer }) => informer.synced))
    this.#isSynced = true
    this.#publish()
    const missing = this.health.filter(({ isMissing }) => isMissing).map(({ kind }) => kind)
    if (missing.length > 0)
      log.warn('the cluster does not serve some kinds, which count as empty: install the CRDs', { kinds: missing.join(', ') })
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#unwatchTags()
    await Promise.all(this.#watched.map(({ informer }) => informer.stop()))
  }

  #watch(kind: WatchedKind, scope: readonly string[]): Watched {
    const { client, clock, random, log } = this.#options
    const { resource, reduce, labelSelector, fieldSelector, isOptional } = kind
    const namespaces = kind.namespaces ?? (resource.namespaced ? scope : [])
    const informer = startInformer<Reduced>({
      ...{ client, clock, random, log, resource, reduce, namespaces, labelSelector, fieldSelector },
      absentIsEmpty: isOptional,
      onHealth: () => this.#unread.set(this.health.flatMap(unreadOf)),
    })
    const touched = new Set<string>()
    informer.watch(({ changed, removed }) => {
      for (const key of changed) touched.add(key)
      for (const key of removed) touched.add(key)
      this.#soon()
    })
    return { kind, informer, touched }
  }

  /** Another set of objects is for this control plane now. */
  #lookAgain(): void {
    for (const { kind, informer, touched } of this.#watched) {
      if (kind.isOfRevision) for (const key of informer.current.keys()) touched.add(key)
    }
    this.#soon()
  }

  #soon(): void {
    if (!this.#isSynced || this.#timer !== undefined) return
    this.#timer = this.#options.clock.after(BATCH_MS, () => {
      this.#timer = undefined
      this.#publish()
    })
  }

  #publish(): void {
    let ready: Set<string> | undefined
    for (const { kind, informer, touched } of this.#watched) {
      for (const key of touched) {
        const reduced = informer.current.get(key)
        this.#objects.take(kind.kind, key, reduced !== undefined && this.#isOurs(kind, reduced) ? reduced : undefined)
        if (kind.kind === 'Pod' && this.#ready.value.has(key) !== (reduced?.ready === true)) {
          ready ??= new Set(this.#ready.value)
          if (reduced?.ready === true) ready.add(key)
          else ready.delete(key)
        }
      }
      touched.clear()
    }
    const now = this.#objects.commit()
    const before = this.#current.value
    // Who answers first: who is told of a new pod looks whether it does.
    if (ready !== undefined) this.#ready.set(ready)
    if (before.state !== now.state || before.findings !== now.findings) this.#current.set(now)
  }

  #isOurs({ isOfRevision }: WatchedKind, { revision }: Reduced): boolean {
    if (!isOfRevision || revision === undefined) return true
    return revision === this.#options.revision || this.#options.tags?.value.has(revision) === true
  }
}

function unreadOf({ kind, isMissing, synced, connected, lastFailure }: KindHealth): readonly UnreadKind[] {
  if (lastFailure === undefined) return []
  const isForbidden = lastFailure.reason === 'Forbidden' || lastFailure.reason === 'Unauthorized'
  const isUnread = isMissing || !synced || (isForbidden && !connected)
  return isUnread ? [{ kind, isMissing, isForbidden, because: lastFailure.message }] : []
}
