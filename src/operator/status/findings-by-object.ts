// What there is to say about each object, as much of it as a status may hold. Made after a compile by the composition root, a slice at a
// time, because users may have a hundred thousand mistakes.
// Invariant: bounded per object: counts are exact, texts are the first few.
import type { Finding, FindingCode } from '../../api/finding.ts'
import { formatRef } from '../../api/object-meta.ts'

export interface FindingSummary {
  /** The first, but for conflicts. */
  readonly error: Finding | undefined
  readonly errors: number
  readonly conflict: Finding | undefined
  readonly conflicts: number
  readonly ignored: readonly Finding[]
  readonly ignoredCount: number
  /** The rest of the warnings. */
  readonly warning: Finding | undefined
  readonly warnings: number
}

export const NOTHING_FOUND: FindingSummary = {
  ...{ error: undefined, errors: 0, conflict: undefined, conflicts: 0, ignored: [], ignoredCount: 0, warning: undefined, warnings: 0 },
}

/** Somebody else has what the object claims. */
const CONFLICTS: ReadonlySet<FindingCode> = new Set(['LTN0107', 'LTN0205', 'LTN0216'])
/** A part of the object has no effect, whatever else it does. */
const IGNORED: ReadonlySet<FindingCode> = new Set([
  ...(['LTN0102', 'LTN0103', 'LTN0121', 'LTN0142', 'LTN0147', 'LTN0210', 'LTN0213', 'LTN0214', 'LTN0217', 'LTN0233'] as const),
])
const MAX_IGNORED = 5

/** Adds to `into`, by formatRef of the objects. */
export function summarise(findings: Iterable<Finding>, into: Map<string, FindingSummary>): void {
  for (const found of findings) {
    if (found.object === undefined || found.severity === 'info') continue
    const key = formatRef(found.object)
    into.set(key, added(into.get(key) ?? NOTHING_FOUND, found))
  }
}

function added(summary: FindingSummary, found: Finding): FindingSummary {
  if (CONFLICTS.has(found.code)) return { ...summary, conflict: summary.conflict ?? found, conflicts: summary.conflicts + 1 }
  const withIgnored = IGNORED.has(found.code)
    ? { ...summary, ignored: [...summary.ignored, found].slice(0, MAX_IGNORED), ignoredCount: summary.ignoredCount + 1 }
    : summary
  if (found.severity === 'error') return { ...withIgnored, error: summary.error ?? found, errors: summary.errors + 1 }
  if (IGNORED.has(found.code)) return withIgnored
  return { ...withIgnored, warning: summary.warning ?? found, warnings: summary.warnings + 1 }
}
