// The main thread's end of the compile thread: sends what changed, keeps what came back. Used by mesh-loop.ts and start.ts.
// A thread that dies is replaced and told everything again; what proxies hold stays in force meanwhile.
// Invariant: `resourcesFor` never waits and never computes; who is asked for the first time is made known to the thread and served later.
import type { Finding } from '../../api/finding.ts'
import { type AnyApiObject, type KindName, kinds } from '../../api/kinds.ts'
import { keyOf } from '../../api/object-meta.ts'
import { LateenError } from '../../base/errors.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import { emptyKubeState, type KubeState } from '../../operator/ingest/kube-state.ts'
import { NO_RESOURCES, type ResourceMap, type ServedResources } from '../../xds/generate/resources.ts'
import {
  type FromCompileThread,
  type MeshCounts,
  nodeKey,
  type ServedNode,
  type ToCompileThread,
  type WantedNode,
} from './compile-protocol.ts'
import { takeMap } from './map-book.ts'

/** A thread, or something that behaves as one. */
export interface CompileThread {
  post(message: ToCompileThread): void
  stop(): Promise<void>
}

export type StartCompileThread = (events: {
  readonly message: (message: FromCompileThread) => void
  readonly died: (why: string) => void
}) => CompileThread

export interface CompileRequest {
  readonly state: KubeState
  readonly addresses: AddressPlan
  readonly ready: ReadonlySet<string>
}

export interface CompileOutcome {
  readonly findings: readonly Finding[]
  readonly counts: MeshCounts
}

export interface CompileClient {
  /** Service account by `namespace/name` of the workload, of the newest snapshot. */
  readonly accounts: ReadonlyMap<string, string>
  /** How long the thread worked for the last change, resources of all proxies included. */
  readonly busyMs: number
  compile(request: CompileRequest): Promise<CompileOutcome>
  resourcesFor(node: WantedNode): ServedResources | undefined
  /** Nobody else is connected: what was made for them is forgotten. */
  keepOnly(connected: Iterable<WantedNode>): void
  stop(): Promise<void>
}

interface Pending {
  readonly resolve: (outcome: CompileOutcome) => void
  readonly reject: (error: Error) => void
}

/** @param onServed there is something new for these nodes. */
export function createCompileClient(
  start: StartCompileThread,
  onServed: (nodes: ReadonlySet<string>) => void,
  onDied: (why: string) => void,
): CompileClient {
  const maps = new Map<number, ResourceMap>()
  const served = new Map<string, ServedResources>()
  const wanted = new Map<string, WantedNode>()
  const pending = new Map<number, Pending>()
  let unsaid: WantedNode[] = []
  let unannounced = new Set<string>()
  let sent: CompileRequest | undefined
  let accounts: ReadonlyMap<string, string> = new Map()
  let busyMs = 0
  let rounds = 0
  let stopped = false

  const take = (nodes: readonly ServedNode[]): void => {
    for (const { id, types } of nodes) {
      const mapOf = (number: number): ResourceMap => maps.get(number) ?? NO_RESOURCES
      const parts = types.map(([typeUrl, shared, own]) => [typeUrl, { shared: mapOf(shared), own: mapOf(own) }] as const)
      if (wanted.has(id)) served.set(id, new Map(parts))
    }
    if (unannounced.size === 0) setImmediate(announce)
    for (const { id } of nodes) unannounced.add(id)
  }
  // Once per turn of the loop: thousands may come at once, and each costs a look at all.
  const announce = (): void => {
    const nodes = unannounced
    unannounced = new Set()
    onServed(nodes)
  }
  const sayWanted = (): void => {
    if (!stopped) thread.post({ kind: 'want', nodes: unsaid })
    unsaid = []
  }
  const message = (from: FromCompileThread): void => {
    if (from.kind === 'map') maps.set(from.map, takeMap(from, from.base === undefined ? undefined : maps.get(from.base)))
    else if (from.kind === 'served') take(from.nodes)
    else if (from.kind === 'drop') for (const number of from.maps) maps.delete(number)
    else if (from.kind === 'settled') busyMs = from.busyMs
    else {
      const waiting = pending.get(from.round)
      pending.delete(from.round)
      if (from.kind === 'failed') {
        // Whatever the thread has kept of it, the next round tells it everything.
        sent = undefined
        waiting?.reject(new LateenError('COMPILE_FAILED', from.reason))
        return
      }
      if (from.accounts !== undefined) accounts = from.accounts
      waiting?.resolve({ findings: from.findings, counts: from.counts })
    }
  }
  const died = (why: string): void => {
    if (stopped) return
    onDied(why)
    for (const { reject } of pending.values()) reject(new LateenError('COMPILE_FAILED', `the compile thread ended: ${why}`))
    pending.clear()
    maps.clear()
    const again = sent
    sent = undefined
    thread = start({ message, died })
    thread.post({ kind: 'want', nodes: [...wanted.values()] })
    if (again !== undefined) send(again)
  }
  let thread = start({ message, died })

  const send = (request: CompileRequest): number => {
    const { changed, removed } = differenceOf(sent?.state ?? emptyKubeState, request.state)
    const round = ++rounds
    thread.post({
      ...{ kind: 'compile', round, revision: request.state.revision, whole: sent === undefined, changed, removed },
      addresses: sent?.addresses === request.addresses ? undefined : request.addresses,
      ready: sent?.ready === request.ready ? undefined : [...request.ready],
    })
    sent = request
    return round
  }

  return {
    get accounts() {
      return accounts
    },
    get busyMs() {
      return busyMs
    },
    compile(request) {
      return new Promise((resolve, reject) => {
        pending.set(send(request), { resolve, reject })
      })
    },
    resourcesFor(node) {
      const id = nodeKey(node)
      if (!wanted.has(id)) {
        const { namespace, workload, isStock, type } = node
        wanted.set(id, { namespace, workload, isStock, type })
        if (unsaid.length === 0) setImmediate(sayWanted)
        unsaid.push({ namespace, workload, isStock, type })
      }
      return served.get(id)
    },
    keepOnly(connected) {
      const kept = new Set([...connected].map(nodeKey))
      const ids = [...wanted.keys()].filter((id) => !kept.has(id))
      for (const id of ids) {
        wanted.delete(id)
        served.delete(id)
      }
      if (ids.length > 0) thread.post({ kind: 'forget', ids })
    },
    stop() {
      stopped = true
      return thread.stop()
    },
  }
}

function differenceOf(
  before: KubeState,
  after: KubeState,
): { readonly changed: readonly AnyApiObject[]; readonly removed: readonly (readonly [KindName, string])[] } {
  const changed: AnyApiObject[] = []
  const removed: (readonly [KindName, string])[] = []
  for (const { kind } of kinds) {
    const [old, now]: readonly ReadonlyMap<string, AnyApiObject>[] = [before.objects[kind], after.objects[kind]]
    if (old === undefined || now === undefined || old === now) continue
    for (const object of now.values()) if (old.get(keyOf(object)) !== object) changed.push(object)
    for (const key of old.keys()) if (!now.has(key)) removed.push([kind, key])
  }
  return { changed, removed }
}
