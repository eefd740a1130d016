// What the leader knows of all replicas' digests, and what it comes to for one object. Fed by digest-service.ts and by the leader's own
// digest; read by operator/status through the composition root, and by people.
// Invariants: nobody is counted as programmed on hearsay: proxies of a replica that reports no more, or that has not compiled the
// generation in question, are counted and not programmed. A proxy that has gone from one replica and is connected to another is no
// absent one.
import { type LaggingProxy, MAX_NAMED, type ObjectProgress, type ObjectTotal, type ProxyReport } from '../../model/progress.ts'
import type { DigestMessage } from './digest-message.ts'

export interface DigestBoard {
  take(message: DigestMessage): void
  /** The replica's connection is gone. */
  lost(replica: string): void
  /** Drops whoever has been silent or lost for too long. */
  tidy(): void
  total(object: string, uid: string, generation: number): ObjectTotal
  /** Objects of which something has changed since this was asked last. */
  takeChanged(): ReadonlySet<string>
  proxies(): readonly (ProxyReport & { readonly replica: string })[]
  replicas(): readonly { readonly replica: string; readonly heardMs: number; readonly isLost: boolean }[]
  /** Another leader's from now on. */
  clear(): void
}

interface Replica {
  readonly name: string
  readonly objects: Map<string, ObjectProgress>
  readonly proxies: Map<string, ProxyReport>
  heardMs: number
  lostMs: number | undefined
}

/** Replicas say every few seconds that they are there. */
const SILENT_MS = 30_000
/** Time for proxies to be connected elsewhere before they are forgotten with their replica. */
const LOST_KEPT_MS = 60_000

export function createDigestBoard(nowMs: () => number): DigestBoard {
  const replicas = new Map<string, Replica>()
  /** How many replicas a proxy is connected to. */
  const connections = new Map<string, number>()
  let changed = new Set<string>()

  const connect = (proxy: string, by: number): void => {
    const count = (connections.get(proxy) ?? 0) + by
    if (count > 0) connections.set(proxy, count)
    else connections.delete(proxy)
  }
  /** Who comes or goes decides what the absent and the unknown come to. */
  const proxiesMoved = (): void => {
    for (const { objects, lostMs } of replicas.values()) {
      for (const [object, { absent }] of objects) if (absent > 0 || lostMs !== undefined) changed.add(object)
    }
  }
  const lose = (replica: Replica): void => {
    if (replica.lostMs !== undefined) return
    replica.lostMs = nowMs()
    for (const { proxy } of replica.proxies.values()) connect(proxy, -1)
    proxiesMoved()
  }
  const drop = (replica: Replica): void => {
    if (replica.lostMs === undefined) for (const { proxy } of replica.proxies.values()) connect(proxy, -1)
    replicas.delete(replica.name)
    for (const object of replica.objects.keys()) changed.add(object)
  }
  const begin = (name: string): Replica => {
    const old = replicas.get(name)
    if (old !== undefined) drop(old)
    const made: Replica = { name, objects: new Map(), proxies: new Map(), heardMs: nowMs(), lostMs: undefined }
    replicas.set(name, made)
    return made
  }
  return {
    take({ replica: name, whole, objects, goneObjects, proxies, goneProxies }) {
      const known = replicas.get(name)
      // Lost meanwhile: it begins anew with a whole digest.
      const replica = whole ? begin(name) : known
      if (replica === undefined || replica.lostMs !== undefined) return
      replica.heardMs = nowMs()
      for (const row of objects) {
        replica.objects.set(row.object, row)
        changed.add(row.object)
      }
      for (const object of goneObjects) if (replica.objects.delete(object)) changed.add(object)
      for (const row of proxies) {
        if (!replica.proxies.has(row.node)) connect(row.proxy, 1)
        replica.proxies.set(row.node, row)
      }
      for (const node of goneProxies) {
        const gone = replica.proxies.get(node)
        if (gone !== undefined) connect(gone.proxy, -1)
        replica.proxies.delete(node)
      }
      if (proxies.length + goneProxies.length > 0) proxiesMoved()
    },
    lost(name) {
      const replica = replicas.get(name)
      if (replica !== undefined) lose(replica)
    },
    tidy() {
      for (const replica of [...replicas.values()]) {
        if (replica.lostMs === undefined && nowMs() - replica.heardMs > SILENT_MS) lose(replica)
        else if (replica.lostMs !== undefined && nowMs() - replica.lostMs > LOST_KEPT_MS) drop(replica)
      }
    },
    total(object, uid, generation) {
      if (replicas.size === 0) return { concerned: 0, programmed: 0, lagging: [], outdated: ['any replica'] }
      const sum = new Sum()
      for (const replica of replicas.values()) {
        const row = replica.objects.get(object)
        if (replica.lostMs !== undefined) sum.addLost(replica, row, connections)
        else sum.add(replica.name, row, row !== undefined && row.uid === uid && row.generation >= generation, connections)
      }
      return sum.total()
    },
    takeChanged() {
      const taken = changed
      changed = new Set()
      return taken
    },
    proxies: () =>
      [...replicas.values()].flatMap(({ name, proxies, lostMs }) =>
        lostMs === undefined ? [...proxies.values()].map((row) => ({ replica: name, ...row })) : [],
      ),
    replicas: () => [...replicas.values()].map(({ name, heardMs, lostMs }) => ({ replica: name, heardMs, isLost: lostMs !== undefined })),
    clear() {
      replicas.clear()
      connections.clear()
      changed = new Set()
    },
  }
}

class Sum {
  #concerned = 0
  #programmed = 0
  #lagging: LaggingProxy[] = []
  readonly #outdated: string[] = []

  add(replica: string, row: ObjectProgress | undefined, hasGeneration: boolean, connections: ReadonlyMap<string, number>): void {
    if (!hasGeneration) this.#outdated.push(replica)
    if (row === undefined) return
    const back = row.absentProxies.filter(({ proxy }) => connections.has(proxy))
    this.#concerned += row.concerned + Math.max(0, row.absent - back.length)
    this.#programmed += hasGeneration ? row.programmed : 0
    this.#lagging.push(...row.lagging, ...row.absentProxies.filter((each) => !back.includes(each)))
  }

  /** Its rows do not say which proxies they count: none of them is forgotten before all are connected elsewhere. */
  addLost({ proxies, lostMs = 0 }: Replica, row: ObjectProgress | undefined, connections: ReadonlyMap<string, number>): void {
    if (row === undefined || row.concerned === 0) return
    const missing = [...proxies.values()].filter(({ proxy }) => !connections.has(proxy))
    this.#concerned += Math.min(row.concerned, missing.length)
    this.#lagging.push(...missing.slice(0, MAX_NAMED).map(({ proxy }): LaggingProxy => ({ proxy, why: 'unknown', sinceMs: lostMs })))
  }

  total(): ObjectTotal {
    const lagging = this.#lagging.sort((a, b) => (a.proxy < b.proxy ? -1 : a.proxy > b.proxy ? 1 : 0)).slice(0, MAX_NAMED)
    return { concerned: this.#concerned, programmed: this.#programmed, lagging, outdated: this.#outdated.sort() }
  }
}
