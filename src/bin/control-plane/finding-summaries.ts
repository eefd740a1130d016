// What there is to say about each object, for its status: read from the Findings of the newest round, a page at a time, so that a hundred
// thousand mistakes of users do not keep this thread. Asked by the leader after every round that changed Findings.
// Invariant: the result is whole or nothing: half of it would accept what has errors.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Finding } from '../../api/finding.ts'
import { type FindingSummary, summarise } from '../../operator/status/findings-by-object.ts'
import { type FindingPages, readPage } from './finding-pages.ts'

/** A millisecond or two of work. */
const SLICE = 1000

/** @param isOver nobody wants the answer any more: there are newer Findings. */
export async function summariesOf(
  ofReading: readonly Finding[],
  ofCompiling: FindingPages,
  isOver: () => boolean,
): Promise<ReadonlyMap<string, FindingSummary> | undefined> {
  const summaries = new Map<string, FindingSummary>()
  for (let at = 0; at < ofReading.length; at += SLICE) {
    summarise(ofReading.slice(at, at + SLICE), summaries)
    await nextTurn()
    if (isOver()) return undefined
  }
  for (const page of ofCompiling.pages) {
    summarise(readPage(page), summaries)
    await nextTurn()
    if (isOver()) return undefined
  }
  return summaries
}

/** Of which objects something else is to be said than before. */
export function changedSummaries(
  before: ReadonlyMap<string, FindingSummary>,
  after: ReadonlyMap<string, FindingSummary>,
): ReadonlySet<string> {
  const changed = new Set<string>()
  for (const [key, summary] of after) if (JSON.stringify(before.get(key)) !== JSON.stringify(summary)) changed.add(key)
  for (const key of before.keys()) if (!after.has(key)) changed.add(key)
  return changed
}
