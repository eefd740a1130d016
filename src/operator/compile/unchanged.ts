// The draft as a snapshot: in order, and with everything that is the same taken from the snapshot before. Called at the end of compileMesh.
// Without it every change would look like a change of everything to the caches behind it. A look at identity is enough: what a pass made of
// the same inputs, or made anew with the same content, is the same object (remembered.ts).
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { MeshDraft } from './mesh-draft.ts'
import { isSame } from './same.ts'

export interface Drafted {
  readonly draft: MeshDraft
  readonly compiled: MeshSnapshot
}

/** The snapshot before itself when nothing changed. */
export function snapshotOf(draft: MeshDraft, settings: MeshSnapshot['settings'], before: Drafted | undefined): MeshSnapshot {
  const previous = before?.compiled
  const next: MeshSnapshot = {
    settings,
    services: sortedByKey(draft.services, before?.draft.services, previous?.services),
    endpoints: sortedByKey(draft.endpoints, before?.draft.endpoints, previous?.endpoints),
    routes: sortedByKey(draft.routes, before?.draft.routes, previous?.routes),
    gateways: sortedByKey(draft.gateways, before?.draft.gateways, previous?.gateways),
    gatewayRoutes: sortedByKey(draft.gatewayRoutes, before?.draft.gatewayRoutes, previous?.gatewayRoutes),
    policies: sortedByKey(draft.policies, before?.draft.policies, previous?.policies),
    sidecars: draft.sidecars,
    workloads: sortedByKey(draft.workloads, before?.draft.workloads, previous?.workloads),
  }
  if (previous === undefined) return next
  const isUnchanged =
    next.settings === previous.settings &&
    next.services === previous.services &&
    next.endpoints === previous.endpoints &&
    next.routes === previous.routes &&
    next.gateways === previous.gateways &&
    next.gatewayRoutes === previous.gatewayRoutes &&
    next.policies === previous.policies &&
    next.sidecars === previous.sidecars &&
    next.workloads === previous.workloads
  return isUnchanged ? previous : next
}

/** @param before what `sorted` was made of. */
function sortedByKey<V>(
  drafted: ReadonlyMap<string, V>,
  before: ReadonlyMap<string, V> | undefined,
  sorted: ReadonlyMap<string, V> | undefined,
): ReadonlyMap<string, V> {
  if (before === drafted && sorted !== undefined) return sorted
  // Most changes bring no new name and take none away: then the order is known.
  const isOrdered = sorted?.size === drafted.size && sorted.keys().every((key) => drafted.has(key))
  const next = new Map<string, V>()
  let isUnchanged = isOrdered
  for (const key of isOrdered ? sorted.keys() : [...drafted.keys()].sort()) {
    const value = drafted.get(key)
    if (value === undefined) continue
    const last = sorted?.get(key)
    const isKept = last !== undefined && isSame(last, value)
    isUnchanged &&= isKept
    next.set(key, isKept ? last : value)
  }
  return isUnchanged && sorted !== undefined ? sorted : next
}
