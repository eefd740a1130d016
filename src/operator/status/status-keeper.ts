// Keeps the status of every mesh object true: told which objects something has changed about, it decides what their conditions are and
// writes those that are others, the urgent ones first. Runs in every replica, works in the leader.
// Invariants: never more than RATE writes a second; what equals what the object has is not written, so that a restart writes nothing; a
// change that every proxy takes within HOLD_MS is one write and not two; while replicas and proxies are still coming back, a status
// of the same generation stays as it was.
import type { ApiObject } from '../../api/object-meta.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage, ignore } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { ObjectTotal } from '../../model/progress.ts'
import { asConditions, type Condition, conditionsOf, differenceOf, verdictsOf } from './conditions.ts'
import type { FindingSummary } from './findings-by-object.ts'
import { eventsOf, type StatusEvent } from './status-events.ts'

/** 'retry': somebody was faster, or the API server was not there. */
export type StatusWriteOutcome = 'written' | 'gone' | 'retry'

export interface StatusKeeperOptions {
  /** The newest that is known of an object, by formatRef; undefined: there is none. */
  readonly object: (key: string) => ApiObject | undefined
  readonly found: (key: string) => FindingSummary
  readonly total: (key: string, uid: string, generation: number) => ObjectTotal
  /** Puts these in the place of ours and leaves those of others alone. */
  readonly write: (object: ApiObject, conditions: readonly Condition[]) => Promise<StatusWriteOutcome>
  readonly tell: (event: StatusEvent) => void
  readonly clock: Clock
  readonly log: Logger
}

export interface StatusKeeper {
  /** Something may be different about these. */
  touch(keys: Iterable<string>): void
  /** @param all every object there is, when this replica begins to lead. */
  setLeading(isLeading: boolean, all: Iterable<string>): void
  /** Looks at what is due now. Never rejects. */
  tick(): Promise<void>
  readonly written: number
  stop(): void
}

const TICK_MS = 250
/** Time for proxies to take a change before a status says that they have not. */
const HOLD_MS = 1500
/** Replicas and proxies come back after a restart of the leader. */
const WARM_UP_MS = 20_000
/** Between two writes that only say other numbers: pods come and go. */
const COUNTS_MS = 60_000
const RETRY_MS = 2000
/** Per second, and at once after a quiet time. */
const RATE = 20
const BURST = 50

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
  let tokens = BURST
  let refilledMs = clock.monotonicMs()
  let running: Promise<void> | undefined
  let timer: Timer | undefined
  let written = 0

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
    const before = last?.uid === uid ? last.conditions : conditionsOf(object.status)
    const verdicts = verdictsOf(object.kind, options.found(key), options.total(key, uid, generation))
    const after = asConditions(verdicts, before, generation, clock.nowMs())
    const isPending = after.some(({ type, reason }) => type === 'Programmed' && reason === 'Pending')
    if (!isPending) lagging.delete(key)
    else if (!lagging.has(key)) lagging.set(key, nowMs)
    const difference = differenceOf(before, after)
    due.delete(key)
    if (difference === 'none') return 'nothing'
    const heldMs = (lagging.get(key) ?? 0) + HOLD_MS
    if (isPending && heldMs > nowMs) return later(key, heldMs)
    if (difference === 'counts' && last !== undefined && last.writtenMs + COUNTS_MS > nowMs) return later(key, last.writtenMs + COUNTS_MS)
    if (warmMs > nowMs && isOnlyProgress(before, after)) return later(key, warmMs)
    return { key, object, before, after }
  }
  const perform = async ({ key, object, before, after }: Decision): Promise<void> => {
    const outcome = await options.write(object, after)
    if (outcome === 'gone') return forget(key)
    if (outcome === 'retry') {
      later(key, clock.monotonicMs() + RETRY_MS)
      return
    }
    written++
    const { uid = '', namespace, name } = object.metadata
    known.set(key, { uid, conditions: after, writtenMs: clock.monotonicMs() })
    const regarding = { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid }
    for (const event of eventsOf(regarding, before, after)) options.tell(event)
  }
  const refill = (nowMs: number): void => {
    tokens = Math.min(BURST, tokens + ((nowMs - refilledMs) / 1000) * RATE)
    refilledMs = nowMs
  }
  const once = async (): Promise<void> => {
    const nowMs = clock.monotonicMs()
    refill(nowMs)
    const decisions: Decision[] = []
    for (const [key, atMs] of [...due]) {
      if (atMs > nowMs) continue
      const decision = decide(key, nowMs)
      if (typeof decision === 'object') decisions.push(decision)
    }
    decisions.sort((a, b) => urgency(a) - urgency(b))
    for (const decision of decisions) {
      // What does not fit is decided anew in its turn: it may be another by then.
      if (tokens < 1 || !isLeading) due.set(decision.key, nowMs)
      else {
        tokens--
        await perform(decision)
      }
    }
  }
  const tick = (): Promise<void> => {
    if (!isLeading) return Promise.resolve()
    running ??= once()
      .catch((error: unknown) => log.error('statuses could not be written; trying again', { reason: errorMessage(error) }))
      .finally(() => {
        running = undefined
      })
    return running
  }
  const again = (): void => {
    timer = clock.after(TICK_MS, again, { background: true })
    ignore(tick(), 'ticks do not reject')
  }
  timer = clock.after(TICK_MS, again, { background: true })
  return {
    touch(keys) {
      if (!isLeading) return
      for (const key of keys) due.set(key, 0)
    },
    setLeading(next, all) {
      if (next === isLeading) return
      isLeading = next
      due.clear()
      lagging.clear()
      known.clear()
      if (!next) return
      warmMs = clock.monotonicMs() + WARM_UP_MS
      for (const key of all) due.set(key, 0)
    },
    tick,
    get written() {
      return written
    },
    stop() {
      isLeading = false
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
