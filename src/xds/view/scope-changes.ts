// What one snapshot has that the one before had not, as far as it can be said service by service: then a scope is patched instead of being
// made anew (scope-view.ts). Pure, computed once per pair of snapshots.
// Invariant: what is not said here is the same object in both, for every client.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'

/** Hostnames of services whose endpoints or routes differ. Undefined: more than that has changed. */
export function changedServices(before: MeshSnapshot, after: MeshSnapshot): ReadonlySet<string> | undefined {
  if (before.settings !== after.settings) return undefined
  if (!sameEntries(before.services, after.services) || !sameEntries(before.policies, after.policies)) return undefined
  const changed = new Set<string>()
  for (const [key, endpoints] of after.endpoints) if (before.endpoints.get(key) !== endpoints) changed.add(endpoints.hostname)
  for (const host of new Set([...before.routes.keys(), ...after.routes.keys()])) {
    if (sameClaims(before.routes.get(host), after.routes.get(host))) continue
    // A wildcard may be anybody's route, and a host that is no service stands in the tables by itself.
    if (host.startsWith('*') || !after.services.has(host)) return undefined
    changed.add(host)
  }
  return changed
}

function sameEntries<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  const others = b.entries()
  for (const [key, value] of a) {
    const other = others.next().value
    if (other === undefined || other[0] !== key || other[1] !== value) return false
  }
  return true
}

function sameClaims<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): boolean {
  if (a === b) return true
  return a !== undefined && b !== undefined && a.length === b.length && a.every((claim, index) => claim === b[index])
}
