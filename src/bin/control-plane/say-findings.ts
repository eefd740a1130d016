// What users' files have wrong, as lines of the log: whoever saves a file while the mesh runs must see why it had no effect.
// Called by the loop after every round. Invariant: a finding is said once, and again only after it had gone.
import type { Finding } from '../../api/finding.ts'
import { formatRef } from '../../api/object-meta.ts'
import type { Logger } from '../../base/log.ts'

/** More lines than that nobody reads; `lateen analyze` has them all. */
const MAX_LINES = 20

export function createFindingSayer(log: Logger, locate: (findings: readonly Finding[]) => readonly Finding[]) {
  let said: ReadonlySet<string> = new Set()
  return (findings: readonly Finding[]): void => {
    const grave = new Map(findings.filter(({ severity }) => severity !== 'info').map((found) => [keyOf(found), found]))
    const fresh = [...grave].flatMap(([key, found]) => (said.has(key) ? [] : [found]))
    said = new Set(grave.keys())
    for (const found of locate(fresh.slice(0, MAX_LINES))) log.warn(sentence(found), place(found))
    if (fresh.length > MAX_LINES) log.warn('more findings', { count: fresh.length - MAX_LINES, all: 'lateen analyze DIR' })
  }
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
