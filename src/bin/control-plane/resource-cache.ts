// Resources per proxy, made when first asked for and kept as long as the snapshot they were made from; the same object as before when a
// new snapshot changes nothing for that proxy, so that nobody has to look at what has not changed. Used by compile-side.ts.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { createGenerator } from '../../xds/generate/generate.ts'
import type { ServedResources } from '../../xds/generate/resources.ts'
import { viewFor } from '../../xds/view/view-for.ts'
import { nodeKey, type WantedNode } from './compile-protocol.ts'

/** Undefined: the mesh has no such workload. */
export function createResourceCache(): (snapshot: MeshSnapshot, node: WantedNode) => ServedResources | undefined {
  const generate = createGenerator()
  const made = new WeakMap<MeshSnapshot, Map<string, ServedResources>>()
  const newest = new Map<string, WeakRef<ServedResources>>()
  return (snapshot, node) => {
    const bySnapshot = made.get(snapshot) ?? new Map<string, ServedResources>()
    made.set(snapshot, bySnapshot)
    const key = nodeKey(node)
    const known = bySnapshot.get(key)
    if (known !== undefined) return known
    const view = viewFor(snapshot, node)
    if (view === undefined) {
      newest.delete(key)
      return undefined
    }
    const resources = sameOr(newest.get(key)?.deref(), generate(view))
    bySnapshot.set(key, resources)
    newest.set(key, new WeakRef(resources))
    return resources
  }
}

function sameOr(before: ServedResources | undefined, now: ServedResources): ServedResources {
  if (before === undefined) return now
  for (const [typeUrl, { shared, own }] of now) {
    const then = before.get(typeUrl)
    if (then?.shared !== shared || then.own !== own) return now
  }
  return before
}
