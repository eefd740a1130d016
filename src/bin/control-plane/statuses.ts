// The statuses of a control plane in a cluster, put together: Findings of the loop's rounds and digests of all replicas in, conditions and
// Events out. Opened by the composition after the loop and the digests; told after every round and by every change of leader.
// Invariant: works while this replica leads, and costs nothing otherwise.

import type { AnyApiObject } from '../../api/kinds.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import type { Clock } from '../../base/clock.ts'
import { ignore } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { KubeClient } from '../../kube/client.ts'
import { type FindingSummary, NOTHING_FOUND } from '../../operator/status/findings-by-object.ts'
import { type KeptStatuses, keepStatuses } from '../../operator/status/keep-statuses.ts'
import { STATUS_KINDS } from '../../operator/status/status-kinds.ts'
import type { DigestBoard } from '../../xds/serve/digest-board.ts'
import { changedSummaries, summariesOf } from './finding-summaries.ts'
import type { CurrentMesh } from './mesh-loop.ts'

export interface StatusesOptions {
  readonly client: KubeClient
  readonly current: () => CurrentMesh | undefined
  readonly board: DigestBoard
  readonly isLeader: () => boolean
  readonly namespaces: readonly string[] | undefined
  /** The pod's name. */
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface Statuses {
  readonly kept: KeptStatuses
  /** After every round of the loop. */
  compiled(): void
  /** The digests say something else about these. */
  changed(objects: ReadonlySet<string>): void
  lead(): void
  resign(): void
  stop(): Promise<void>
}

export function openStatuses(options: StatusesOptions): Statuses {
  const { board } = options
  let summaries: ReadonlyMap<string, FindingSummary> = new Map()
  let summarised: CurrentMesh['findings'] | undefined
  /** By kind the map that was looked at last: what is new in it has a status to get. */
  let objects: ReadonlyMap<string, AnyApiObject> = new Map()
  let rounds = 0
  let leads = false
  const kept = keepStatuses({
    ...options,
    object: (key) => objects.get(key),
    all: () => objects.keys(),
    found: (key) => summaries.get(key) ?? NOTHING_FOUND,
    total: (key, uid, generation) => board.total(key, uid, generation),
  })
  const takeObjects = (): void => {
    const before = objects
    objects = objectsOf(options.current())
    const touched: string[] = []
    for (const [key, object] of objects) if (before.get(key) !== object) touched.push(key)
    kept.touch(touched)
  }
  const takeFindings = async (): Promise<void> => {
    const findings = options.current()?.findings
    const round = ++rounds
    if (findings === undefined || findings.ofCompiling === summarised?.ofCompiling) {
      if (findings?.ofReading === summarised?.ofReading) return
    }
    const { ofReading, ofCompiling } = findings ?? { ofReading: [], ofCompiling: { count: 0, pages: [] } }
    const next = await summariesOf(ofReading, ofCompiling, () => round !== rounds)
    if (next === undefined) return
    const changed = changedSummaries(summaries, next)
    summaries = next
    summarised = findings
    kept.touch(changed)
  }
  /** Findings first: an object whose mistakes are not known yet would be accepted for a moment. */
  const takeRound = async (): Promise<void> => {
    await takeFindings()
    takeObjects()
  }
  const begin = async (): Promise<void> => {
    await takeRound()
    if (leads) await kept.lead()
  }
  return {
    kept,
    compiled() {
      if (!leads) return
      ignore(takeRound(), 'what is said of objects is looked at again after the next round')
    },
    changed: (changed) => kept.touch(changed),
    lead() {
      leads = true
      ignore(begin(), 'statuses are compared one by one then')
    },
    resign() {
      leads = false
      rounds++
      kept.resign()
    },
    stop: () => kept.stop(),
  }
}

function objectsOf(current: CurrentMesh | undefined): ReadonlyMap<string, AnyApiObject> {
  const all = new Map<string, AnyApiObject>()
  if (current === undefined) return all
  for (const kind of STATUS_KINDS) for (const object of current.state.objects[kind].values()) all.set(formatRef(refOf(object)), object)
  return all
}
