// Keeps the status of every mesh object true: told which objects something has changed about, it decides what their conditions are and
// has those written that are others, the urgent ones first. Runs in every replica, works in the leader (keep-statuses.ts).
// Invariants: what equals what the object has is not written, so that a restart writes nothing; a change that every proxy takes within
// HOLD_MS is one write and not two; while replicas and proxies are still coming back, a status of the same generation stays as it was.
import type { ApiObject } from '../../api/object-meta.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { ObjectTotal } from '../../model/progress.ts'
import { asConditions, type Condition, conditionsOf, differenceOf, verdictsOf } from './conditions.ts'
import type { FindingSummary } from './findings-by-object.ts'
import { eventsOf, type StatusEvent } from './status-events.ts'

/** Objects' statuses as the API server has them, by formatRef. */
export type PresentStatuses = ReadonlyMap<string, { readonly uid: string; readonly status: unknown }>

export interface StatusKeeperOptions {
  /** The newest that is known of an object, by formatRef; undefined: there is none. */
  readonly object: (key: string) => ApiObject | undefined
  readonly found: (key: string) => FindingSummary
  readonly total: (key: string, uid: string, generation: number) => ObjectTotal
  /** Has them written in the place of ours, again and again until it is done; a newer wish for the same object takes its place. */
  readonly write: (object: ApiObject, conditions: readonly Condition[]) => void
  readonly tell: (event: StatusEvent) => void
  readonly clock: Clock
  readonly log: Logger
}

export interface StatusKeeper {
  /** Something may be different about these. */
  touch(keys: Iterable<string>): void
  /** From now on: every object there is, and what the API server has of them. */
  lead(all: Iterable<string>, present: PresentStatuses): void
  resign(): void
  /** The API server was asked again: somebody may have changed a status that is ours. */
  compare(present: PresentStatuses): void
  /** Looks at what is due now. */
  tick(): void
  stop(): void
}

const TICK_MS = 250
/** Time for proxies to take a change before a status says that they have not. */
const HOLD_MS = 1500
/** Replicas and proxies come back after a restart of the leader. */
const WARM_UP_MS = 20_000
/** Between two writes that only say other numbers: pods come and go. */
const COUNTS_MS = 60_000

interface Known {
  readonly uid: string
  readonly conditions: readonly Condition[]
  readonly writtenMs: number
}

interface Decision {
  readonly key: string
  readonly object: ApiObject
  readonly before: readonly Condition[]
  readonly after: readonly Condition[]
}

export function createStatusKeeper(options: StatusKeeperOptions): StatusKeeper {
  const { clock, log } = options
  /** When to look at an object. */
  const due = new Map<string, number>()
  /** Since when a status would say that proxies lag. */
  const lagging = new Map<string, number>()
  const known = new Map<string, Known>()
  let isLeading = false
  let warmMs = 0
  let timer: Timer | undefined

  const forget = (key: string): void => {
    due.delete(key)
    lagging.delete(key)
    known.delete(key)
  }
  const later = (key: string, atMs: number): 'later' => {
    due.set(key, atMs)
    return 'later'
  }
  const decide = (key: string, nowMs: number): Decision | 'later' | 'nothing' => {
    const object = options.object(key)
    if (object === undefined) {
      forget(key)
      return 'nothing'
    }
    const { uid = '', generation = 0 } = object.metadata
    const last = known.get(key)
    const before = last?.uid === uid ? last.conditions : []
    const verdicts = verdictsOf(object.kind, options.found(key), options.total(key, uid, generation))
    const after = asConditions(verdicts, generation)
    const isPending = after.some(({ type, reason }) => type === 'Programmed' && reason === 'Pending')
    if (!isPending) lagging.delete(key)
    else if (!lagging.has(key)) lagging.set(key, nowMs)
    const difference = differenceOf(before, after)
    due.delete(key)
    if (difference === 'none') return 'nothing'
    const heldMs = (lagging.get(key) ?? 0) + HOLD_MS
    if (isPending && heldMs > nowMs) return later(key, heldMs)
    const quietMs = (last?.writtenMs ?? Number.NEGATIVE_INFINITY) + COUNTS_MS
    if (difference === 'counts' && quietMs > nowMs) return later(key, quietMs)
    if (warmMs > nowMs && isOnlyProgress(before, after)) return later(key, warmMs)
    return { key, object, before, after }
  }
  const perform = ({ key, object, before, after }: Decision): void => {
    options.write(object, after)
    const { uid = '', namespace, name } = object.metadata
    known.set(key, { uid, conditions: after, writtenMs: clock.monotonicMs() })
    const regarding = { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid }
    for (const event of eventsOf(regarding, before, after)) options.tell(event)
  }
  const tick = (): void => {
    if (!isLeading) return
    const nowMs = clock.monotonicMs()
    const decisions: Decision[] = []
    for (const [key, atMs] of [...due]) {
      if (atMs > nowMs) continue
      const decision = decide(key, nowMs)
      if (typeof decision === 'object') decisions.push(decision)
    }
    for (const decision of decisions.sort((a, b) => urgency(a) - urgency(b))) perform(decision)
  }
  const compare = (present: PresentStatuses): void => {
    for (const [key, { uid, status }] of present) {
      const writtenMs = known.get(key)?.writtenMs ?? Number.NEGATIVE_INFINITY
      known.set(key, { uid, conditions: conditionsOf(status), writtenMs })
      due.set(key, 0)
    }
  }
  const again = (): void => {
    timer = clock.after(TICK_MS, again, { background: true })
    try {
      tick()
    } catch (error) {
      log.error('what statuses should say could not be decided; trying again', { reason: errorMessage(error) })
    }
  }
  timer = clock.after(TICK_MS, again, { background: true })
  const resign = (): void => {
    isLeading = false
    for (const each of [due, lagging, known]) each.clear()
  }
  return {
    touch(keys) {
      if (!isLeading) return
      for (const key of keys) due.set(key, 0)
    },
    lead(all, present) {
      resign()
      isLeading = true
      warmMs = clock.monotonicMs() + WARM_UP_MS
      compare(present)
      for (const key of all) due.set(key, 0)
    },
    resign,
    compare(present) {
      if (isLeading) compare(present)
    },
    tick,
    stop() {
      resign()
      timer?.cancel()
    },
  }
}

/** What is different is only how far the same generation has come. */
function isOnlyProgress(before: readonly Condition[], after: readonly Condition[]): boolean {
  const [old, now] = [before, after].map((conditions) => conditions.find(({ type }) => type === 'Programmed'))
  if (old === undefined || old.observedGeneration !== now?.observedGeneration) return false
  const rest = (conditions: readonly Condition[]): readonly Condition[] => conditions.filter(({ type }) => type !== 'Programmed')
  return differenceOf(rest(before), rest(after)) === 'none'
}

function urgency({ before, after }: Decision): number {
  return differenceOf(before, after) === 'status' ? 0 : 1
}
