// The draft as a snapshot: in order, and with everything that is the same taken from the snapshot before. Called at the end of compileMesh.
// Without it every change would look like a change of everything to the caches behind it. A look at identity is enough: what a pass made of
// the same inputs, or made anew with the same content, is the same object (remembered.ts).
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { MeshDraft } from './mesh-draft.ts'
import { isSame } from './same.ts'

/** `previous` itself when nothing changed. */
export function snapshotOf(draft: MeshDraft, settings: MeshSnapshot['settings'], previous: MeshSnapshot | undefined): MeshSnapshot {
  const next: MeshSnapshot = {
    settings,
    services: sortedByKey(draft.services, previous?.services),
    endpoints: sortedByKey(draft.endpoints, previous?.endpoints),
    routes: sortedByKey(draft.routes, previous?.routes),
    gateways: sortedByKey(draft.gateways, previous?.gateways),
    gatewayRoutes: sortedByKey(draft.gatewayRoutes, previous?.gatewayRoutes),
    policies: sortedByKey(draft.policies, previous?.policies),
    sidecars: keepUnchanged(draft.sidecars.keys(), draft.sidecars, previous?.sidecars),
    workloads: sortedByKey(draft.workloads, previous?.workloads),
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

/** Most changes bring no new name and take none away: then the order is known. */
function sortedByKey<V>(drafted: ReadonlyMap<string, V>, previous: ReadonlyMap<string, V> | undefined): ReadonlyMap<string, V> {
  const isOrdered = previous?.size === drafted.size && previous.keys().every((key) => drafted.has(key))
  return keepUnchanged(isOrdered ? previous.keys() : [...drafted.keys()].sort(), drafted, previous)
}

function keepUnchanged<V>(
  keys: Iterable<string>,
  drafted: ReadonlyMap<string, V>,
  previous: ReadonlyMap<string, V> | undefined,
): ReadonlyMap<string, V> {
  const kept = new Map<string, V>()
  const keysBefore = previous?.keys()
  let isUnchanged = previous?.size === drafted.size
  for (const key of keys) {
    const value = drafted.get(key)
    if (value === undefined) continue
    const last = previous?.get(key)
    const isKept = last !== undefined && isSame(last, value)
    isUnchanged &&= isKept && keysBefore?.next().value === key
    kept.set(key, isKept ? last : value)
  }
  return isUnchanged && previous !== undefined ? previous : kept
}
