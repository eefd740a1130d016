// API objects in, the mesh and the users' mistakes out. Called by the control plane on every change, by `lateen analyze` and by tests.
// Invariant: pure, and silent about nothing: what a user wrote either is in the snapshot or in a Finding. Never throws for input.
import type { Finding } from '../../api/finding.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { CompileInput } from './compile-input.ts'
import { meshSettings } from './mesh-config.ts'
import { emptyDraft, sortedByKey } from './mesh-draft.ts'
import { passes } from './passes.ts'
import { keepUnchanged } from './unchanged.ts'

export interface CompiledMesh {
  readonly snapshot: MeshSnapshot
  /** In the order of the passes, within a pass in the order of objects. */
  readonly findings: readonly Finding[]
}

/** @param previous the snapshot before: what equals it is taken from it, so that whatever was derived from it stays valid. */
export function compileMesh(input: CompileInput, previous?: MeshSnapshot): CompiledMesh {
  const draft = emptyDraft()
  const { settings, findings: ofSettings } = meshSettings(input)
  const findings = [...ofSettings, ...passes.flatMap((pass) => pass(draft, { ...input, settings }))]
  const snapshot: MeshSnapshot = {
    settings,
    services: sortedByKey(draft.services),
    endpoints: sortedByKey(draft.endpoints),
    routes: sortedByKey(draft.routes),
    gateways: sortedByKey(draft.gateways),
    gatewayRoutes: sortedByKey(draft.gatewayRoutes),
    policies: sortedByKey(draft.policies),
    sidecars: draft.sidecars,
    workloads: sortedByKey(draft.workloads),
  }
  return { snapshot: previous === undefined ? snapshot : keepUnchanged(previous, snapshot), findings }
}
