// What a pass of compile is, and how it is run only when something that it reads has changed. A pass says at its top which kinds of objects
// and which parts of the draft it reads, and the compiler of types lets it read nothing else; so this list is the truth and skipping it is
// safe. Run by compile-mesh.ts in the order of passes.ts.
import type { Finding } from '../../api/finding.ts'
import type { KindName } from '../../api/kinds.ts'
import type { ObjectMaps } from '../ingest/kube-state.ts'
import type { CompileInput } from './compile-input.ts'
import type { MeshDraft } from './mesh-draft.ts'
import { isSame } from './same.ts'

/** What every pass may read besides: it changes seldom, and then everything is done again. */
type Common = Pick<CompileInput, 'settings' | 'addresses' | 'capture' | 'compileRegex'>

export interface PassInput<Kind extends KindName, Part extends keyof MeshDraft> extends Common {
  readonly objects: Pick<ObjectMaps, Kind>
  readonly draft: Pick<MeshDraft, Part>
}

/** Parts of the draft, whole: a part that another pass made before is replaced. And what the user got wrong. */
export type PassResult = Partial<MeshDraft> & { readonly findings: readonly Finding[] }

export interface Pass<Kind extends KindName = KindName, Part extends keyof MeshDraft = keyof MeshDraft> {
  readonly kinds: readonly Kind[]
  readonly reads: readonly Part[]
  /** Once for each compiler, because passes remember (remembered.ts). What comes out never throws for input and changes nothing that it reads. */
  readonly create: () => (input: PassInput<Kind, Part>) => PassResult
}

export function definePass<Kind extends KindName, Part extends keyof MeshDraft>(pass: Pass<Kind, Part>): Pass {
  return pass
}

export type RunPass = (draft: MeshDraft, input: CompileInput) => PassResult

/** Runs the pass, or gives what it made last, which is still right when it would read the same. */
export function runnerOf({ kinds, reads, create }: Pass): RunPass {
  const run = create()
  let last: { readonly inputs: readonly unknown[]; readonly made: PassResult } | undefined
  return (draft, { state, settings, addresses, capture, compileRegex }) => {
    const inputs = [
      settings,
      addresses,
      capture,
      compileRegex,
      ...kinds.map((kind) => state.objects[kind]),
      ...reads.map((part) => draft[part]),
    ]
    if (last === undefined || !isSame(last.inputs, inputs)) {
      const made = run({ objects: state.objects, draft, settings, addresses, capture, compileRegex })
      last = { inputs, made: last === undefined ? made : keepParts(last.made, made) }
    }
    return last.made
  }
}

/** A part that turns out as it was before stays that part, so that passes after this one need not run. */
function keepParts(before: PassResult, made: PassResult): PassResult {
  const old = new Map(Object.entries(before))
  const parts = Object.entries(made).map(([name, part]) => [name, keepPart(old.get(name), part)])
  // The same names with parts that are the same or equal.
  return Object.fromEntries(parts) as PassResult
}

function keepPart(before: unknown, made: unknown): unknown {
  if (before instanceof Map && made instanceof Map) return isSameMap(before, made) ? before : made
  return isSame(before, made) ? before : made
}

/** In the same order, too. */
function isSameMap(before: ReadonlyMap<unknown, unknown>, made: ReadonlyMap<unknown, unknown>): boolean {
  if (before.size !== made.size) return false
  const entries = before.entries()
  for (const [key, value] of made) {
    const [keyBefore, valueBefore] = entries.next().value ?? []
    if (key !== keyBefore || !isSame(valueBefore, value)) return false
  }
  return true
}
