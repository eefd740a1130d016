// The main thread's end of the compile thread: sends what changed, keeps what came back. Used by mesh-loop.ts and start.ts.
// A thread that dies is replaced and told everything again; what proxies hold stays in force meanwhile.
// Invariant: `resourcesFor` never waits and never computes; who is asked for the first time is made known to the thread and served later.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AnyApiObject, type KindName, kinds } from '../../api/kinds.ts'
import { errorMessage, LateenError } from '../../base/errors.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import { emptyKubeState, type KubeState } from '../../operator/ingest/kube-state.ts'
import { NO_RESOURCES, type ResourceMap, type ServedResources } from '../../xds/generate/resources.ts'
import type { Concerns } from '../../xds/view/concerns.ts'
import {
  type FromCompileThread,
  type MeshCounts,
  nodeKey,
  type RunsAs,
  type ServedNodes,
  type ToCompileThread,
  type WantedNode,
} from './compile-protocol.ts'
import { type FindingPages, NO_FINDINGS } from './finding-pages.ts'
import { takeMap } from './map-book.ts'
import type { FreshFindings } from './say-findings.ts'

/** A thread, or something that behaves as one. */
export interface CompileThread {
  post(message: ToCompileThread): void
  stop(): Promise<void>
}

export type StartCompileThread = (events: {
  readonly message: (message: FromCompileThread) => void
  readonly died: (why: string) => void
}) => CompileThread

const NOTHING_SERVED: ServedResources = new Map()

export interface CompileRequest {
  readonly state: KubeState
  readonly addresses: AddressPlan
  readonly ready: ReadonlySet<string>
}

export interface CompileOutcome {
  /** Larger than that of every compile before. */
  readonly round: number
  readonly findings: FindingPages
  readonly fresh: FreshFindings
  readonly counts: MeshCounts
}

export interface CompileClient {
  /** By `namespace/name` of the workload, of the newest snapshot. */
  readonly runsAs: ReadonlyMap<string, RunsAs>
  /** How long the thread worked for the last change, resources of all proxies included. */
  readonly busyMs: number
  compile(request: CompileRequest): Promise<CompileOutcome>
  /** What there is to say about the objects of the last compile against each other. */
  analyze(): Promise<FindingPages>
  resourcesFor(node: WantedNode): ServedResources | undefined
  /** Which objects concern which proxies (by node key). */
  concerns(): Promise<Concerns>
  /** The newest compile of which everything has been made and has arrived. */
  readonly settledRound: number
  /** Another one when what `concerns` would say may be another. */
  readonly stamp: number
  /** Up to which compile these resources of a node were the newest; 0: none that is known. */
  roundOf(node: WantedNode, resources: ServedResources | undefined): number
  /** Nobody else is connected: what was made for them is forgotten. */
  keepOnly(connected: Iterable<WantedNode>): void
  stop(): Promise<void>
}

interface Pending<T> {
  readonly resolve: (outcome: T) => void
  readonly reject: (error: Error) => void
}

/** Newcomers that the thread is told of and has not answered for: more of them wait here, where they cost a name each. */
const MAX_ASKED = 100

/** Objects per message: copying them into it is a few milliseconds of this thread's time. */
const OBJECTS_PER_MESSAGE = 500

/** @param onServed there is something new for these nodes. */
export function createCompileClient(
  start: StartCompileThread,
  onServed: (nodes: ReadonlySet<string>) => void,
  onDied: (why: string) => void,
): CompileClient {
  const maps = new Map<number, ResourceMap>()
  const served = new Map<string, ServedResources>()
  const wanted = new Map<string, WantedNode>()
  const pending = new Map<number, Pending<CompileOutcome>>()
  const questions = new Map<number, Pending<FindingPages>>()
  const concernQuestions = new Map<number, Pending<Concerns>>()
  /** The compile that took the place of these. */
  const superseded = new WeakMap<ServedResources, number>()
  let compiledRound = 0
  let settledRound = 0
  let stamp = 0
  let findings = NO_FINDINGS
  /** Not told to the thread yet, and told but not looked at. */
  const unsaid = new Map<string, WantedNode>()
  const asked = new Set<string>()
  let unannounced = new Set<string>()
  let sent: CompileRequest | undefined
  /** One after the other: pieces of two states may not mix. */
  let sending: Promise<void> = Promise.resolve()
  let runsAs: ReadonlyMap<string, RunsAs> = new Map()
  let busyMs = 0
  let rounds = 0
  let stopped = false

  const take = (nodes: readonly ServedNodes[]): void => {
    if (unannounced.size === 0) setImmediate(announce)
    stamp++
    const mapOf = (number: number): ResourceMap => maps.get(number) ?? NO_RESOURCES
    for (const { ids, isWhole, types } of nodes) {
      const changed = types.map(([typeUrl, shared, own]) => [typeUrl, { shared: mapOf(shared), own: mapOf(own) }] as const)
      for (const id of ids) {
        const before = isWhole ? NOTHING_SERVED : served.get(id)
        // Forgotten and wanted again meanwhile: the whole is under way, and a part would look as if the rest were gone.
        if (before === undefined || !wanted.has(id)) continue
        // What has not changed stays the same object: whoever has looked at it need not look again.
        const old = served.get(id)
        if (old !== undefined) superseded.set(old, compiledRound)
        served.set(id, new Map([...before, ...changed]))
        unannounced.add(id)
      }
    }
  }
  // Once per turn of the loop: thousands may come at once, and each costs a look at all.
  const announce = (): void => {
    const nodes = unannounced
    unannounced = new Set()
    onServed(nodes)
  }
  const sayWanted = (): void => {
    const nodes: WantedNode[] = []
    for (const [id, node] of unsaid) {
      if (asked.size >= MAX_ASKED) break
      unsaid.delete(id)
      asked.add(id)
      nodes.push(node)
    }
    if (!stopped && nodes.length > 0) thread.post({ kind: 'want', nodes })
  }
  const endRound = (from: Extract<FromCompileThread, { readonly round: number }>): void => {
    const waiting = pending.get(from.round)
    pending.delete(from.round)
    if (from.kind === 'failed') {
      // Whatever the thread has kept of it, the next round tells it everything.
      sent = undefined
      waiting?.reject(new LateenError('COMPILE_FAILED', from.reason))
      return
    }
    if (from.runsAs !== undefined) runsAs = from.runsAs
    findings = from.findings ?? findings
    compiledRound = from.round
    waiting?.resolve({ round: from.round, findings, fresh: from.fresh, counts: from.counts })
  }
  const message = (from: FromCompileThread): void => {
    if (from.kind === 'map') maps.set(from.map, takeMap(from, from.base === undefined ? undefined : maps.get(from.base)))
    else if (from.kind === 'served') take(from.nodes)
    else if (from.kind === 'answered') {
      for (const id of from.ids) asked.delete(id)
      sayWanted()
    } else if (from.kind === 'drop') for (const number of from.maps) maps.delete(number)
    else if (from.kind === 'settled') {
      busyMs = from.busyMs
      settledRound = compiledRound
      stamp++
    } else if (from.kind === 'concerned') {
      concernQuestions.get(from.question)?.resolve(from.concerns)
      concernQuestions.delete(from.question)
    } else if (from.kind === 'analyzed') {
      questions.get(from.question)?.resolve(from.findings)
      questions.delete(from.question)
    } else endRound(from)
  }
  const died = (why: string): void => {
    if (stopped) return
    onDied(why)
    const reason = new LateenError('COMPILE_FAILED', `the compile thread ended: ${why}`)
    for (const { reject } of [...pending.values(), ...questions.values(), ...concernQuestions.values()]) reject(reason)
    pending.clear()
    questions.clear()
    concernQuestions.clear()
    maps.clear()
    const again = sent
    sent = undefined
    thread = start({ message, died })
    asked.clear()
    for (const [id, node] of wanted) unsaid.set(id, node)
    sayWanted()
    if (again !== undefined) send(++rounds, again)
  }
  let thread = start({ message, died })

  /** In pieces, because all at once would keep everybody waiting who asks this thread for something. A thread that ends meanwhile
   *  has its successor told from the beginning. */
  const sendPieces = async (round: number, request: CompileRequest): Promise<void> => {
    const to = thread
    const before = sent
    sent = request
    const changed: AnyApiObject[] = []
    const removed: (readonly [KindName, string])[] = []
    for (const { kind } of kinds) {
      const looked = addDifference(kind, before?.state ?? emptyKubeState, request.state, changed, removed)
      if (looked > OBJECTS_PER_MESSAGE) await nextTurn()
    }
    if (to !== thread) return
    let whole = before === undefined
    let at = 0
    for (; changed.length - at > OBJECTS_PER_MESSAGE; at += OBJECTS_PER_MESSAGE) {
      to.post({ kind: 'objects', whole, changed: changed.slice(at, at + OBJECTS_PER_MESSAGE) })
      whole = false
      await nextTurn()
      if (to !== thread) return
    }
    to.post({
      ...{ kind: 'compile', round, revision: request.state.revision, whole, changed: changed.slice(at), removed },
      addresses: before?.addresses === request.addresses ? undefined : request.addresses,
      ready: before?.ready === request.ready ? undefined : [...request.ready],
    })
  }

  const send = (round: number, request: CompileRequest): void => {
    sending = sending
      .then(() => sendPieces(round, request))
      .catch((error: unknown) => {
        sent = undefined
        pending.get(round)?.reject(new LateenError('COMPILE_FAILED', errorMessage(error), { cause: error }))
        pending.delete(round)
      })
  }

  return {
    get runsAs() {
      return runsAs
    },
    get busyMs() {
      return busyMs
    },
    compile(request) {
      return new Promise((resolve, reject) => {
        pending.set(++rounds, { resolve, reject })
        send(rounds, request)
      })
    },
    analyze() {
      return new Promise((resolve, reject) => {
        const question = ++rounds
        questions.set(question, { resolve, reject })
        thread.post({ kind: 'analyze', question })
      })
    },
    concerns() {
      return new Promise((resolve, reject) => {
        const question = ++rounds
        concernQuestions.set(question, { resolve, reject })
        thread.post({ kind: 'concerns', question })
      })
    },
    get settledRound() {
      return settledRound
    },
    get stamp() {
      return stamp
    },
    roundOf(node, resources) {
      if (resources === undefined) return 0
      // What arrives of a compile that is not settled yet is the newest of the settled one too: nothing older is in force.
      if (served.get(nodeKey(node)) === resources) return settledRound
      return (superseded.get(resources) ?? 1) - 1
    },
    resourcesFor(node) {
      const id = nodeKey(node)
      if (!wanted.has(id)) {
        const { namespace, workload, isStock, type, discoversVirtualHosts } = node
        const copy = { namespace, workload, isStock, type, discoversVirtualHosts }
        wanted.set(id, copy)
        if (unsaid.size === 0) setImmediate(sayWanted)
        unsaid.set(id, copy)
      }
      return served.get(id)
    },
    keepOnly(connected) {
      const kept = new Set([...connected].map(nodeKey))
      const ids = [...wanted.keys()].filter((id) => !kept.has(id))
      for (const id of ids) {
        wanted.delete(id)
        served.delete(id)
        unsaid.delete(id)
        asked.delete(id)
      }
      if (ids.length > 0) thread.post({ kind: 'forget', ids })
    },
    stop() {
      stopped = true
      return thread.stop()
    },
  }
}

/** Of one kind; the result is how many objects were looked at. */
function addDifference(
  kind: KindName,
  before: KubeState,
  after: KubeState,
  changed: AnyApiObject[],
  removed: (readonly [KindName, string])[],
): number {
  const old: ReadonlyMap<string, AnyApiObject> = before.objects[kind]
  const now: ReadonlyMap<string, AnyApiObject> = after.objects[kind]
  if (old === now) return 0
  for (const [key, object] of now) if (old.get(key) !== object) changed.push(object)
  for (const key of old.keys()) if (!now.has(key)) removed.push([kind, key])
  return old.size + now.size
}
