// Takes from the snapshot before whatever equals the new one, down to single objects. Called at the end of compileMesh.
// Without it every change would look like a change of everything to the caches behind it.
import { isDeepStrictEqual } from 'node:util'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'

/** `previous` itself when nothing changed. */
export function keepUnchanged(previous: MeshSnapshot, next: MeshSnapshot): MeshSnapshot {
  const kept: MeshSnapshot = {
    settings: isDeepStrictEqual(previous.settings, next.settings) ? previous.settings : next.settings,
    services: keepEntries(previous.services, next.services),
    endpoints: keepEntries(previous.endpoints, next.endpoints),
    routes: keepEntries(previous.routes, next.routes),
    gateways: keepEntries(previous.gateways, next.gateways),
    gatewayRoutes: keepEntries(previous.gatewayRoutes, next.gatewayRoutes),
    policies: keepEntries(previous.policies, next.policies),
    sidecars: keepEntries(previous.sidecars, next.sidecars),
    workloads: keepEntries(previous.workloads, next.workloads),
  }
  const same =
    kept.settings === previous.settings &&
    kept.services === previous.services &&
    kept.endpoints === previous.endpoints &&
    kept.routes === previous.routes &&
    kept.gateways === previous.gateways &&
    kept.gatewayRoutes === previous.gatewayRoutes &&
    kept.policies === previous.policies &&
    kept.sidecars === previous.sidecars &&
    kept.workloads === previous.workloads
  return same ? previous : kept
}

function keepEntries<V>(previous: ReadonlyMap<string, V>, next: ReadonlyMap<string, V>): ReadonlyMap<string, V> {
  let same = previous.size === next.size
  const kept = new Map<string, V>()
  for (const [key, value] of next) {
    const before = previous.get(key)
    const isUnchanged = before !== undefined && isDeepStrictEqual(before, value)
    same &&= isUnchanged
    kept.set(key, isUnchanged ? before : value)
  }
  return same ? previous : kept
}
