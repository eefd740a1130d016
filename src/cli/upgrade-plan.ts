// What an upgrade would change: two renderings of a chart compared object by object. Pure; used by upgrade.ts.
// Invariant: order, comments and quoting are no change; only what the API server would see is.
import { isDeepStrictEqual } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { isRecord } from '../api/record.ts'

export interface UpgradePlan {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

export function planUpgrade(before: string, after: string): UpgradePlan {
  const old = objectsOf(before)
  const fresh = objectsOf(after)
  const names = (from: ReadonlyMap<string, unknown>, keep: (name: string) => boolean): string[] => [...from.keys()].filter(keep).sort()
  return {
    added: names(fresh, (name) => !old.has(name)),
    changed: names(fresh, (name) => old.has(name) && !isDeepStrictEqual(old.get(name), fresh.get(name))),
    removed: names(old, (name) => !fresh.has(name)),
  }
}

/** `Deployment lateen-system/lateen-control-plane` -> the object. */
function objectsOf(text: string): ReadonlyMap<string, unknown> {
  const objects = new Map<string, unknown>()
  for (const document of parseAllDocuments(text)) {
    const value: unknown = 'toJS' in document ? document.toJS({ maxAliasCount: -1 }) : undefined
    if (!isRecord(value) || !isRecord(value.metadata)) continue
    const { namespace, name } = value.metadata
    objects.set(`${String(value.kind)} ${namespace === undefined ? '' : `${String(namespace)}/`}${String(name)}`, value)
  }
  return objects
}

export function formatPlan({ added, changed, removed }: UpgradePlan): string {
  const lines = [
    ...added.map((name) => `  + ${name}\n`),
    ...changed.map((name) => `  ~ ${name}\n`),
    ...removed.map((name) => `  - ${name}\n`),
  ]
  return lines.length === 0 ? '  nothing changes\n' : lines.join('')
}
