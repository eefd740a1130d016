// The compile thread's work: keeps a copy of the mesh's objects, compiles it, makes the resources of every connected proxy and hands them
// over. Run by bin/compile-thread.ts; knows no thread itself, so that tests and the bench can run it where they like.
// Invariants: the newest state wins: a compile that arrives while resources are being made makes them anew from there; what is made for
// one proxy after the other is made in slices, so that a newcomer does not wait for all others.

import type { Finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { unsuppressed } from '../../api/suppression.ts'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { analyzeSteps } from '../../operator/analyze/analyze-mesh.ts'
import { createMeshCompiler } from '../../operator/compile/compile-mesh.ts'
import { changedKubeState, emptyKubeState, type KubeState, nextKubeState } from '../../operator/ingest/kube-state.ts'
import type { ResourceMap, ServedResources } from '../../xds/generate/resources.ts'
import { createConcernBook } from '../../xds/view/concerns.ts'
import {
  type CompileThreadData,
  type FromCompileThread,
  nodeKey,
  type RunsAs,
  type ServedNodes,
  type ServedType,
  type ToCompileThread,
  type WantedNode,
} from './compile-protocol.ts'
import { type FindingPages, toPages } from './finding-pages.ts'
import { type Announcer, createAnnouncer } from './map-book.ts'
import { createResourceCache } from './resource-cache.ts'
import { createFreshness, type FreshFindings, NOTHING_FRESH } from './say-findings.ts'

/** Proxies per slice. */
const SLICE = 50

type CompileOrder = Extract<ToCompileThread, { kind: 'compile' }>

export class CompileSide {
  readonly #data: CompileThreadData
  readonly #compileRegex: RegexCompiler
  readonly #clock: Clock
  readonly #post: (message: FromCompileThread) => void
  readonly #soon: (action: () => void) => void
  readonly #announcer: Announcer
  readonly #cache = createResourceCache()
  readonly #compiler = createMeshCompiler()
  readonly #concernsOf = createConcernBook()
  readonly #wanted = new Map<string, WantedNode>()
  readonly #served = new Map<string, ServedResources>()
  /** Whose resources must be looked at, oldest first. */
  readonly #due = new Set<string>()
  readonly #newcomers = new Set<string>()
  /** Of each type the shared map that was announced last: what a newcomer's scope shares with it does not cross again. */
  readonly #lastShared = new Map<string, ResourceMap>()
  #state: KubeState = emptyKubeState
  #addresses: AddressPlan = { strategy: 'loopback', workloads: {} }
  #ready: ReadonlySet<string> = new Set()
  #snapshot: MeshSnapshot | undefined
  /** Those of the last compile; undefined once they have been said. */
  #said: readonly Finding[] | undefined
  #heard = 0
  #unsaid: readonly Finding[] | undefined
  readonly #freshIn = createFreshness()
  /** What has come since the last compile. */
  #changed: AnyApiObject[] = []
  /** All that there is has come, not only what changed. */
  #isWhole = false
  #runsAs: ReadonlyMap<string, RunsAs> = new Map()
  /** Since the last compile began, until all that it changed is made; newcomers do not count. */
  #busyMs: number | undefined
  #scheduled = false

  /** @param soon runs an action after messages that have arrived have been read. */
  constructor(
    data: CompileThreadData,
    how: {
      readonly compileRegex: RegexCompiler
      readonly clock: Clock
      readonly post: (message: FromCompileThread) => void
      readonly soon: (action: () => void) => void
    },
  ) {
    this.#data = data
    this.#compileRegex = how.compileRegex
    this.#clock = how.clock
    this.#post = how.post
    this.#soon = how.soon
    this.#announcer = createAnnouncer(how.post)
  }

  receive(message: ToCompileThread): void {
    if (message.kind === 'compile') this.#compile(message)
    else if (message.kind === 'objects') this.#takeObjects(message)
    else if (message.kind === 'analyze') this.#analyze(message.question)
    else if (message.kind === 'concerns')
      this.#post({ kind: 'concerned', question: message.question, concerns: this.#concernsOf(this.#cache.views()) })
    else if (message.kind === 'want') {
      for (const node of message.nodes) {
        this.#wanted.set(nodeKey(node), node)
        this.#due.add(nodeKey(node))
        this.#newcomers.add(nodeKey(node))
      }
      this.#schedule()
    } else {
      for (const id of message.ids) {
        this.#wanted.delete(id)
        this.#served.delete(id)
        this.#due.delete(id)
        this.#newcomers.delete(id)
        this.#cache.forget(id)
      }
    }
  }

  #takeObjects({ whole, changed }: { readonly whole: boolean; readonly changed: readonly AnyApiObject[] }): void {
    if (whole) this.#changed = []
    this.#isWhole ||= whole
    for (const object of changed) this.#changed.push(object)
  }

  /** Check by check, so that a change in between waits for one of them at most. */
  #analyze(question: number): void {
    const steps = analyzeSteps(this.#state, this.#snapshot?.settings ?? this.#data.settings)
    const next = (): void => {
      const step = steps.next()
      if (step.done === true) this.#post({ kind: 'analyzed', question, findings: toPages(step.value) })
      else this.#soon(next)
    }
    this.#soon(next)
  }

  #compile(order: CompileOrder): void {
    const startMs = this.#clock.monotonicMs()
    try {
      const snapshot = this.#compiled(order)
      const changed = snapshot !== this.#snapshot
      this.#snapshot = snapshot
      const { services, routes, workloads } = snapshot
      this.#post({
        kind: 'compiled',
        round: order.round,
        ...this.#sayFindings(),
        counts: { services: services.size, routes: routes.size, workloads: workloads.size },
        runsAs: this.#changedRunsAs(snapshot),
      })
      if (changed) for (const id of this.#wanted.keys()) this.#due.add(id)
    } catch (error) {
      this.#post({ kind: 'failed', round: order.round, reason: errorMessage(error) })
    }
    this.#busyMs = this.#clock.monotonicMs() - startMs
    this.#schedule()
  }

  #sayFindings(): { readonly findings: FindingPages | undefined; readonly fresh: FreshFindings } {
    const unsaid = this.#unsaid
    this.#unsaid = undefined
    return unsaid === undefined
      ? { findings: undefined, fresh: NOTHING_FRESH }
      : { findings: toPages(unsaid), fresh: this.#freshIn(unsaid) }
  }

  #compiled({ whole, changed, removed, addresses, ready }: CompileOrder): MeshSnapshot {
    this.#takeObjects({ whole, changed })
    const isTouched = this.#isWhole || this.#changed.length + removed.length > 0
    this.#state = this.#isWhole ? nextKubeState(this.#state, this.#changed) : changedKubeState(this.#state, this.#changed, removed)
    this.#changed = []
    this.#isWhole = false
    if (addresses !== undefined) this.#addresses = addresses
    if (ready !== undefined) this.#ready = new Set(ready)
    const input = {
      ...{ state: this.#state, settings: this.#data.settings, capture: this.#data.capture, compileRegex: this.#compileRegex },
      ...{ addresses: this.#addresses, ready: this.#ready },
    }
    const { snapshot, findings } = this.#compiler.compile(input)
    // An annotation that silences one changes no Finding, only who hears it.
    if (isTouched || findings !== this.#said) {
      const heard = unsuppressed(findings, this.#state.objects)
      if (findings !== this.#said || heard.length !== this.#heard) this.#unsaid = heard
      this.#heard = heard.length
    }
    this.#said = findings
    return snapshot
  }

  #changedRunsAs({ workloads }: MeshSnapshot): ReadonlyMap<string, RunsAs> | undefined {
    const before = this.#runsAs
    let isSame = before.size === workloads.size
    for (const [key, { serviceAccount, isGateway = false }] of workloads) {
      const known = before.get(key)
      isSame &&= known?.serviceAccount === serviceAccount && known.isGateway === isGateway
    }
    if (isSame) return undefined
    this.#runsAs = new Map([...workloads].map(([key, { serviceAccount, isGateway = false }]) => [key, { serviceAccount, isGateway }]))
    return this.#runsAs
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#soon(() => {
      this.#scheduled = false
      this.#slice()
    })
  }

  #slice(): void {
    const startMs = this.#clock.monotonicMs()
    const snapshot = this.#snapshot
    const nodes = new Map<string, ServedNodes & { readonly ids: string[] }>()
    const answered: string[] = []
    let left = SLICE
    for (const id of this.#due) {
      if (left-- === 0 || snapshot === undefined) break
      this.#due.delete(id)
      if (this.#newcomers.delete(id)) answered.push(id)
      const node = this.#wanted.get(id)
      const resources = node === undefined ? undefined : this.#cache.resourcesOf(snapshot, node)
      // Gone, or not there yet: its proxy keeps what it has.
      if (resources === undefined || resources === this.#served.get(id)) continue
      const isWhole = !this.#served.has(id)
      const types = this.#hand(id, resources)
      const key = `${isWhole} ${types.join(' ')}`
      const group = nodes.get(key) ?? { ids: [], isWhole, types }
      nodes.set(key, group)
      group.ids.push(id)
    }
    if (nodes.size > 0) this.#post({ kind: 'served', nodes: [...nodes.values()] })
    if (answered.length > 0) this.#post({ kind: 'answered', ids: answered })
    if (this.#busyMs !== undefined) this.#busyMs += this.#clock.monotonicMs() - startMs
    if (this.#due.size > 0 && snapshot !== undefined) this.#schedule()
    else this.#settle()
  }

  /** What the other side does not have of them. */
  #hand(id: string, resources: ServedResources): readonly ServedType[] {
    const before = this.#served.get(id)
    this.#served.set(id, resources)
    const types: ServedType[] = []
    for (const [typeUrl, { shared, own }] of resources) {
      const known = before?.get(typeUrl)
      if (known?.shared === shared && known.own === own) continue
      const number = this.#announcer.numberOf(shared, known?.shared ?? this.#lastShared.get(typeUrl))
      this.#lastShared.set(typeUrl, shared)
      types.push([typeUrl, number, this.#announcer.numberOf(own, known?.own)])
    }
    return types
  }

  #settle(): void {
    // Newcomers alone make no map superfluous.
    if (this.#busyMs === undefined) return
    const held = new Set<ResourceMap>()
    for (const resources of this.#served.values()) {
      for (const { shared, own } of resources.values()) held.add(shared).add(own)
    }
    const maps = this.#announcer.keepOnly(held)
    if (maps.length > 0) this.#post({ kind: 'drop', maps })
    this.#post({ kind: 'settled', busyMs: this.#busyMs })
    this.#busyMs = undefined
  }
}
