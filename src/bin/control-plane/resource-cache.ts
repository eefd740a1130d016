// Resources per proxy, the same object as before when a new snapshot changes nothing for that proxy, so that nobody has to look at what has
// not changed. Used by compile-side.ts. Holds what is newest of each proxy, and forgets it when the mesh has no such workload.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { createGenerator } from '../../xds/generate/generate.ts'
import type { ServedResources } from '../../xds/generate/resources.ts'
import type { ProxyView } from '../../xds/view/proxy-view.ts'
import { viewFor } from '../../xds/view/view-for.ts'
import { nodeKey, type WantedNode } from './compile-protocol.ts'

export interface ResourceCache {
  /** Undefined: the mesh has no such workload. */
  resourcesOf(snapshot: MeshSnapshot, node: WantedNode): ServedResources | undefined
  forget(id: string): void
  /** By node key: of all that resources were made for last. */
  views(): Iterable<readonly [id: string, view: ProxyView]>
}

interface Made {
  readonly view: ProxyView
  readonly resources: ServedResources
}

export function createResourceCache(): ResourceCache {
  const generate = createGenerator()
  const newest = new Map<string, Made>()
  return {
    resourcesOf(snapshot, node) {
      const id = nodeKey(node)
      const view = viewFor(snapshot, node)
      if (view === undefined) {
        newest.delete(id)
        return undefined
      }
      const { scope, instance } = view
      const before = newest.get(id)
      if (before?.view.scope === scope && before.view.instance.key === instance.key) return before.resources
      const resources = sameOr(before?.resources, generate(view))
      newest.set(id, { view, resources })
      return resources
    },
    forget: (id) => void newest.delete(id),
    *views() {
      for (const [id, { view }] of newest) yield [id, view]
    },
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
