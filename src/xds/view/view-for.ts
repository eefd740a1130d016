// Snapshot and proxy in, what that proxy may know out. Called by the control plane for each connected proxy after every compile.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { workloadKey } from '../../model/workload.ts'
import { joinedKey, objectKey } from './object-key.ts'
import type { ProxyNode } from './proxy-node.ts'
import type { ProxyView } from './proxy-view.ts'
import { scopeFor } from './scope-view.ts'

/** Undefined: the mesh has no such workload (yet, or no more); its proxy keeps what it has. */
export function viewFor(snapshot: MeshSnapshot, node: Pick<ProxyNode, 'namespace' | 'workload'>): ProxyView | undefined {
  const workload = snapshot.workloads.get(workloadKey({ namespace: node.namespace, name: node.workload }))
  if (workload === undefined) return undefined
  const { settings } = snapshot
  const scope = scopeFor(snapshot, workload.namespace, workload.capture.kind)
  const key = joinedKey([scope.key, objectKey(settings), objectKey(workload)])
  return { scope, instance: { key, workload, settings } }
}
