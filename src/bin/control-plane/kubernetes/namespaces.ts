// The namespaces of the mesh, from the newest state: where roots are put. Used by start.ts.
// Invariant: a namespace that discovery selectors hide is not in it; the root namespace always is.
import { sameSet } from '../../../base/same-set.ts'
import { type ReadonlyWatchable, Watchable } from '../../../base/watchable.ts'
import type { MeshSettings } from '../../../model/mesh-settings.ts'
import { selects } from '../../../operator/compile/namespace-filter.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'

export interface MeshNamespaces {
  readonly current: ReadonlyWatchable<ReadonlySet<string>>
  stop(): void
}

/** @param settings as they are now.
 *  @param installed the only namespaces of the mesh: who may see nothing else may not list namespaces either. Empty: all. */
export function watchNamespaces(
  source: ReadonlyWatchable<IngestState>,
  settings: () => MeshSettings,
  installed: readonly string[],
): MeshNamespaces {
  const look = (): ReadonlySet<string> =>
    installed.length > 0 ? new Set([...installed, settings().rootNamespace]) : namespacesOf(source.value, settings())
  const current = new Watchable<ReadonlySet<string>>(look(), sameSet)
  const unwatch = source.watch(() => current.set(look()))
  return { current, stop: unwatch }
}

function namespacesOf({ state }: IngestState, { discoverySelectors, rootNamespace }: MeshSettings): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { metadata } of state.objects.Namespace.values()) {
    const labels = { 'kubernetes.io/metadata.name': metadata.name, ...metadata.labels }
    const isSeen = discoverySelectors.length === 0 || discoverySelectors.some((selector) => selects(selector, labels))
    if (isSeen || metadata.name === rootNamespace) names.add(metadata.name)
  }
  return names
}
