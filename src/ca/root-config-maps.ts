// The roots in every namespace of the mesh, where injected pods mount them: ConfigMap `lateen-ca-root-cert`, key `root-cert.pem`. Run by the
// composition root in every replica; the leader writes, the others are ready to.
// Invariants: what is there is compared with what should be, so that a deleted or edited ConfigMap is restored; one without our label is
// somebody else's: it is named (`foreign`), never overwritten; writes are paced, whatever the number of namespaces.
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { type ReadonlyWatchable, Watchable } from '../base/watchable.ts'
import type { KubeClient } from '../kube/client.ts'
import type { KubeFailure } from '../kube/failure.ts'
import { type Informer, startInformer } from '../kube/informer.ts'
import type { KubeObject } from '../kube/object.ts'
import { resourceOf } from '../kube/resource.ts'
import { FIELD_MANAGER } from './authority-secrets.ts'
import { createRateLimit } from './rate-limit.ts'

export interface RootConfigMapsOptions {
  readonly client: KubeClient
  /** Where the mesh is. */
  readonly namespaces: ReadonlyWatchable<ReadonlySet<string>>
  /** What pods must trust now. */
  readonly rootsPem: ReadonlyWatchable<string>
  readonly isLeader: ReadonlyWatchable<boolean>
  /** Only these may be read (an installation for some namespaces); absent: all. */
  readonly watchNamespaces?: readonly string[] | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface RootConfigMaps {
  /** Namespaces that have a ConfigMap of this name which is not ours: their pods may not trust this mesh. */
  readonly foreign: ReadonlyWatchable<readonly string[]>
  /** Every namespace has these roots; a change of the root waits for it. */
  isWritten(rootsPem: string): boolean
  stop(): Promise<void>
}

export const ROOT_CONFIG_MAP = 'lateen-ca-root-cert'
export const ROOT_KEY = 'root-cert.pem'
const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'lateen' } as const
/** Where Kubernetes keeps what everybody may read, and the heartbeats of nodes: no pod runs there. */
const NEVER = new Set(['kube-public', 'kube-node-lease'])
const WRITES_PER_SECOND = 100
const WRITE_BURST = 50
const AT_ONCE = 8
const RETRY_MS = 2_000
const MAX_RETRY_MS = 300_000

interface Present {
  readonly rootsPem: string | undefined
  readonly isOurs: boolean
}

export function keepRootConfigMaps(options: RootConfigMapsOptions): RootConfigMaps {
  return new Keeper(options)
}

class Keeper implements RootConfigMaps {
  readonly foreign = new Watchable<readonly string[]>([], (a, b) => a.join() === b.join())
  readonly #options: RootConfigMapsOptions
  readonly #present: Informer<Present>
  readonly #stops: readonly (() => void)[]
  readonly #pace: ReturnType<typeof createRateLimit>
  /** Being written, or not to be tried again before then. */
  readonly #busy = new Set<string>()
  readonly #failures = new Map<string, { readonly count: number; readonly notBeforeMs: number }>()
  #isSynced = false
  #stopped = false
  #timer: Timer | undefined

  constructor(options: RootConfigMapsOptions) {
    this.#options = options
    const { client, clock, random, log, namespaces, rootsPem, isLeader, watchNamespaces } = options
    this.#pace = createRateLimit({ clock, perSecond: WRITES_PER_SECOND, burst: WRITE_BURST })
    this.#present = startInformer({
      ...{ client, resource: resourceOf('ConfigMap'), clock, random, log, namespaces: watchNamespaces },
      fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
      reduce: readConfigMap,
    })
    const settle = (): void => this.#settle()
    this.#stops = [this.#present.watch(settle), namespaces.watch(settle), rootsPem.watch(settle), isLeader.watch(settle)]
    void this.#present.synced.then(() => {
      this.#isSynced = true
      this.#settle()
    })
  }

  isWritten(rootsPem: string): boolean {
    return this.#isSynced && this.#wanted().every((namespace) => this.#at(namespace)?.rootsPem === rootsPem || this.#isForeign(namespace))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    for (const stop of this.#stops) stop()
    await this.#present.stop()
  }

  #wanted(): readonly string[] {
    return [...this.#options.namespaces.value].filter((namespace) => !NEVER.has(namespace))
  }

  #at(namespace: string): Present | undefined {
    return this.#present.current.get(`${namespace}/${ROOT_CONFIG_MAP}`)
  }

  #isForeign(namespace: string): boolean {
    return this.#at(namespace)?.isOurs === false
  }

  /** Compares what is with what should be, and writes as much of the difference as the pace allows. */
  #settle(): void {
    const { isLeader, rootsPem, clock } = this.#options
    if (this.#stopped || !this.#isSynced) return
    const wanted = this.#wanted()
    this.#report(wanted.filter((namespace) => this.#isForeign(namespace)).sort())
    if (!isLeader.value) return
    const differing = wanted.filter((namespace) => !this.#isForeign(namespace) && this.#at(namespace)?.rootsPem !== rootsPem.value)
    const still = new Set(differing)
    for (const namespace of this.#failures.keys()) if (!still.has(namespace)) this.#failures.delete(namespace)
    const nowMs = clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const namespace of differing) {
      if (this.#busy.has(namespace)) continue
      const { notBeforeMs } = this.#failures.get(namespace) ?? { notBeforeMs: nowMs }
      if (notBeforeMs > nowMs) {
        nextMs = Math.min(nextMs, notBeforeMs - nowMs)
        continue
      }
      // Whoever finishes looks again.
      if (this.#busy.size >= AT_ONCE) break
      const waitMs = this.#pace.take('writes')
      if (waitMs > 0) {
        nextMs = Math.min(nextMs, waitMs)
        break
      }
      void this.#write(namespace)
    }
    this.#timer?.cancel()
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer = clock.after(nextMs, () => this.#settle(), { background: true })
  }

  async #write(namespace: string): Promise<void> {
    this.#busy.add(namespace)
    const { client, rootsPem } = this.#options
    const resource = resourceOf('ConfigMap')
    const data = { [ROOT_KEY]: rootsPem.value }
    const isThere = this.#at(namespace) !== undefined
    const answer = isThere
      ? await client.patch(
          resource,
          { namespace, name: ROOT_CONFIG_MAP },
          { type: 'merge', body: { data } },
          { fieldManager: FIELD_MANAGER },
        )
      : await client.create(
          resource,
          { metadata: { namespace, name: ROOT_CONFIG_MAP, labels: MANAGED_BY }, data },
          { fieldManager: FIELD_MANAGER },
        )
    this.#busy.delete(namespace)
    // The informer tells what came of it; until then we believe that it holds, or every change elsewhere would write it again.
    const count = (this.#failures.get(namespace)?.count ?? 0) + 1
    const retryMs = Math.min(RETRY_MS * 2 ** (count - 1), MAX_RETRY_MS)
    this.#failures.set(namespace, { count: answer.ok ? 0 : count, notBeforeMs: this.#options.clock.monotonicMs() + retryMs })
    if (!answer.ok) this.#say(namespace, answer.failure)
    this.#settle()
  }

  #say(namespace: string, { status, message }: KubeFailure): void {
    // Somebody was faster, or the namespace is going: its absence from the mesh's namespaces follows.
    if (status === 409 || status === 404 || message.includes('being terminated')) return
    this.#options.log.warn('the roots could not be written into a namespace; tried again', { namespace, reason: message })
  }

  #report(foreign: readonly string[]): void {
    const before = this.foreign.value
    this.foreign.set(foreign)
    for (const namespace of foreign) {
      if (before.includes(namespace)) continue
      this.#options.log.warn(`ConfigMap ${ROOT_CONFIG_MAP} is not ours and is left alone: pods there may not trust this mesh`, {
        namespace,
        hint: `delete it, or label it ${Object.entries(MANAGED_BY)[0]?.join('=')} to hand it over`,
      })
    }
  }
}

function readConfigMap({ metadata, data }: KubeObject): Present {
  const isOurs = Object.entries(MANAGED_BY).every(([key, value]) => metadata.labels?.[key] === value)
  const all: Readonly<Record<string, unknown>> = typeof data === 'object' && data !== null ? { ...data } : {}
  const text = all[ROOT_KEY]
  return { rootsPem: typeof text === 'string' ? text : undefined, isOurs }
}
