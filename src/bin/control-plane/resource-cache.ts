// Resources per workload, made when first asked for and kept as long as the snapshot they were made from: a client is looked at after
// each of its answers, and must not cost a rendering each time. Used by start.ts.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { createGenerator } from '../../xds/generate/generate.ts'
import type { ServedResources } from '../../xds/generate/resources.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import { viewFor } from '../../xds/view/view-for.ts'

/** Undefined: the mesh has no such workload. */
export function createResourceCache(): (snapshot: MeshSnapshot, node: ProxyNode) => ServedResources | undefined {
  const generate = createGenerator()
  const made = new WeakMap<MeshSnapshot, Map<string, ServedResources>>()
  return (snapshot, node) => {
    const bySnapshot = made.get(snapshot) ?? new Map<string, ServedResources>()
    made.set(snapshot, bySnapshot)
    const key = `${node.namespace}/${node.workload}`
    const known = bySnapshot.get(key)
    if (known !== undefined) return known
    const view = viewFor(snapshot, node)
    if (view === undefined) return undefined
    const resources = generate(view)
    bySnapshot.set(key, resources)
    return resources
  }
}
