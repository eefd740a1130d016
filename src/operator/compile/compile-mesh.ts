// API objects in, the mesh and the users' mistakes out. Called by the control plane on every change, by `lateen analyze` and by tests.
// Invariants: pure, and silent about nothing: what a user wrote either is in the snapshot or in a Finding. Never throws for input. A compiler
// that has compiled before gives what a new one would give; it only does not do again what is still right (remembered.ts).
import type { Finding } from '../../api/finding.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { CompileInput } from './compile-input.ts'
import { meshSettings } from './mesh-config.ts'
import { emptyDraft } from './mesh-draft.ts'
import { createPasses } from './passes.ts'
import { type Answering, withReadiness } from './readiness.ts'
import { Remembered } from './remembered.ts'
import { shareEqual } from './same.ts'
import { snapshotOf } from './unchanged.ts'

export interface CompiledMesh {
  /** What did not change is the object of the snapshot before, so that whatever was derived from it stays valid. */
  readonly snapshot: MeshSnapshot
  /** In the order of the passes, within a pass in the order of objects. The list of the round before when it says the same. */
  readonly findings: readonly Finding[]
}

export interface MeshCompiler {
  compile(input: CompileInput): CompiledMesh
}

/** For a mesh that is compiled again and again: a change costs the work for what it changed. */
export function createMeshCompiler(): MeshCompiler {
  const settled = new Remembered(meshSettings)
  const passes = createPasses()
  let last: (Answering & { readonly input: CompileInput; readonly findings: readonly Finding[] }) | undefined

  /** Everything but who answers. */
  const run = (input: CompileInput): { readonly compiled: MeshSnapshot; readonly findings: readonly Finding[] } => {
    if (last !== undefined && isReadinessAlone(last.input, input)) return last
    const { settings, findings: ofSettings } = settled.round()('', input.state.objects.MeshConfig, input.settings)
    const draft = emptyDraft()
    const findings = [...ofSettings, ...passes.flatMap((pass) => pass(draft, { ...input, settings }))]
    return {
      compiled: snapshotOf(draft, settings, last?.compiled),
      findings: last === undefined ? findings : shareEqual(last.findings, findings),
    }
  }

  return {
    compile(input) {
      const { compiled, findings } = run(input)
      const snapshot = withReadiness(compiled, input.ready, last)
      last = { input, compiled, shown: snapshot, findings }
      return { snapshot, findings }
    },
  }
}

/** For a mesh that is compiled once. */
export function compileMesh(input: CompileInput): CompiledMesh {
  return createMeshCompiler().compile(input)
}

function isReadinessAlone(before: CompileInput, now: CompileInput): boolean {
  return (
    before.state.objects === now.state.objects &&
    before.settings === now.settings &&
    before.addresses === now.addresses &&
    before.capture === now.capture &&
    before.compileRegex === now.compileRegex
  )
}
