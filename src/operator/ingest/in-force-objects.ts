// Which version of each object of a cluster is in force, and what there is to say about it: the newest without errors. Used by
// kubernetes-source.ts. Invariants (as of a directory's files): an object with errors keeps its last good version, so that a slip takes no
// routes away; a security object that never had one denies from the first moment. An object that says the same stays the same object.
import { type Finding, findingAt } from '../../api/finding.ts'
import type { AnyApiObject, KindName } from '../../api/kinds.ts'
import { canonicalJson } from '../../base/content-hash.ts'
import { changedKubeState, emptyKubeState, type KubeState } from './kube-state.ts'
import type { Reduced } from './reduce.ts'

export class ObjectsInForce {
  #state: KubeState = emptyKubeState
  #findings: readonly Finding[] = []
  readonly #findingsOf = new Map<string, readonly Finding[]>()
  readonly #inForce = new Map<string, AnyApiObject>()
  readonly #changed = new Map<string, AnyApiObject>()
  readonly #removed = new Map<string, readonly [KindName, string]>()
  #areFindingsNew = false

  /** @param kind of the objects in force; `reduced` undefined: it is gone. */
  take(kind: KindName, key: string, reduced: Reduced | undefined): void {
    const id = `${kind} ${key}`
    const before = this.#inForce.get(id)
    const now = reduced === undefined ? undefined : chosen(reduced, before)
    if (now === undefined) this.#remove(id, kind, key)
    else if (before !== now) this.#put(id, now)
    this.#say(id, reduced === undefined ? [] : [...reduced.findings, ...keptFinding(reduced, now)])
  }

  /** The same objects as before when nothing was taken since. */
  commit(): { readonly state: KubeState; readonly findings: readonly Finding[] } {
    this.#state = changedKubeState(this.#state, this.#changed.values(), this.#removed.values())
    this.#changed.clear()
    this.#removed.clear()
    if (this.#areFindingsNew) this.#findings = [...this.#findingsOf.keys()].sort().flatMap((id) => this.#findingsOf.get(id) ?? [])
    this.#areFindingsNew = false
    return { state: this.#state, findings: this.#findings }
  }

  #put(id: string, object: AnyApiObject): void {
    this.#inForce.set(id, object)
    this.#changed.set(id, object)
    this.#removed.delete(id)
  }

  #remove(id: string, kind: KindName, key: string): void {
    if (!this.#inForce.delete(id)) return
    this.#changed.delete(id)
    this.#removed.set(id, [kind, key])
  }

  #say(id: string, findings: readonly Finding[]): void {
    if (findings.length === 0 && !this.#findingsOf.has(id)) return
    this.#areFindingsNew = true
    if (findings.length === 0) this.#findingsOf.delete(id)
    else this.#findingsOf.set(id, findings)
  }
}

function chosen({ object, refused }: Reduced, before: AnyApiObject | undefined): AnyApiObject | undefined {
  if (before === undefined) return object
  if (refused && before.unreadable !== true) return before
  return object !== undefined && canonicalJson(before) === canonicalJson(object) ? before : object
}

function keptFinding({ refused, ref }: Reduced, now: AnyApiObject | undefined): readonly Finding[] {
  if (!refused || now === undefined || now.unreadable === true) return []
  return [{ ...findingAt('LTN0124', undefined, '', { name: `${ref.kind} ${ref.name}` }), object: ref }]
}
