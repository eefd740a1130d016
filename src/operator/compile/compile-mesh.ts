// API objects in, the mesh and the users' mistakes out. Called by the control plane on every change, by `lateen analyze` and by tests.
// Invariants: pure, and silent about nothing: what a user wrote either is in the snapshot or in a Finding. Never throws for input. A compiler
// that has compiled before gives what a new one would give; it only does not do again what is still right (remembered.ts).
import type { Finding } from '../../api/finding.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { CompileInput } from './compile-input.ts'
import { type CompiledSettings, meshSettings } from './mesh-config.ts'
import { emptyDraft } from './mesh-draft.ts'
import { createNamespaceFilter, type NamespaceFilter } from './namespace-filter.ts'
import { type RunPass, runnerOf } from './pass.ts'
import { passes } from './passes.ts'
import { type Answering, withReadiness } from './readiness.ts'
import { Remembered } from './remembered.ts'
import { shareEqual } from './same.ts'
import { type Drafted, snapshotOf } from './unchanged.ts'

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
  const runs = passes.map(runnerOf)
  const seenBy = createNamespaceFilter()
  let last: Round | undefined
  return {
    compile(input) {
      const isReadinessAlone = last !== undefined && isSameButReadiness(last.input, input)
      const { draft, compiled, findings } = isReadinessAlone && last !== undefined ? last : compileAll(input, settled, seenBy, runs, last)
      const snapshot = withReadiness(compiled, input.ready, last)
      last = { input, draft, compiled, shown: snapshot, ready: input.ready, findings }
      return { snapshot, findings }
    },
  }
}

interface Round extends Drafted, Answering {
  readonly input: CompileInput
  readonly findings: readonly Finding[]
}

/** Everything but who answers. */
function compileAll(
  input: CompileInput,
  settled: Remembered<Parameters<typeof meshSettings>, CompiledSettings>,
  seenBy: NamespaceFilter,
  runs: readonly RunPass[],
  last: Round | undefined,
): Drafted & Pick<Round, 'findings'> {
  const { settings, findings: ofSettings } = settled.round()('', input.state.objects.MeshConfig, input.settings)
  const seen: CompileInput = { ...input, settings, state: seenBy(input.state, settings) }
  const findings = [...ofSettings]
  let draft = emptyDraft
  for (const run of runs) {
    const { findings: own, ...parts } = run(draft, seen)
    draft = { ...draft, ...parts }
    findings.push(...own)
  }
  const compiled = snapshotOf(draft, settings, last)
  return { draft, compiled, findings: last === undefined ? findings : shareEqual(last.findings, findings) }
}

/** For a mesh that is compiled once. */
export function compileMesh(input: CompileInput): CompiledMesh {
  return createMeshCompiler().compile(input)
}

function isSameButReadiness(before: CompileInput, now: CompileInput): boolean {
  return (
    before.state.objects === now.state.objects &&
    before.settings === now.settings &&
    before.addresses === now.addresses &&
    before.capture === now.capture &&
    before.compileRegex === now.compileRegex
  )
}
