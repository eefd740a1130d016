// What users' files have wrong, as lines of the log: whoever saves a file while the mesh runs must see why it had no effect.
// Both threads look for what is new among their own Findings; the loop says it after every round.
// Invariant: a finding is said once, and again only after it had gone.
import type { Finding } from '../../api/finding.ts'
import { formatRef } from '../../api/object-meta.ts'
import type { Logger } from '../../base/log.ts'

/** More lines than that nobody reads; `lateen analyze` has them all. */
const MAX_LINES = 20

/** What was not there before. */
export interface FreshFindings {
  readonly first: readonly Finding[]
  readonly count: number
}

export const NOTHING_FRESH: FreshFindings = { first: [], count: 0 }

/** Tells what is new in a list from the list that it was given before. */
export function createFreshness(): (findings: readonly Finding[]) => FreshFindings {
  let known: ReadonlySet<string> = new Set()
  return (findings) => {
    const now = new Set<string>()
    const first: Finding[] = []
    let count = 0
    for (const found of findings) {
      if (found.severity === 'info') continue
      const key = keyOf(found)
      if (now.has(key)) continue
      now.add(key)
      if (known.has(key)) continue
      count++
      if (first.length < MAX_LINES) first.push(found)
    }
    known = now
    return { first, count }
  }
}

export async function sayFindings(
  log: Logger,
  locate: (findings: readonly Finding[]) => Promise<readonly Finding[]>,
  fresh: readonly FreshFindings[],
): Promise<void> {
  const first = fresh.flatMap((each) => each.first).slice(0, MAX_LINES)
  const count = fresh.reduce((sum, each) => sum + each.count, 0)
  for (const found of await locate(first)) log.warn(sentence(found), place(found))
  if (count > first.length) log.warn('more findings', { count: count - first.length, all: 'lateen findings' })
}

function keyOf({ code, object, path, message }: Finding): string {
  return `${code} ${object === undefined ? '' : formatRef(object)} ${path} ${message}`
}

function sentence({ severity, code, object, path, message, hint }: Finding): string {
  const about = [object === undefined ? '' : formatRef(object), path].filter((part) => part !== '').join(' ')
  return `${severity} ${code}${about === '' ? '' : ` ${about}`}: ${message}. ${hint}`
}

function place({ position }: Finding): Record<string, string> {
  return position === undefined ? {} : { at: `${position.file}:${position.line}:${position.column}` }
}
