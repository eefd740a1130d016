// Which scopes a snapshot has, and how each came from one of the snapshot before. Kept as long as the snapshot; used by scope-view.ts, and
// by generate, which makes anew only what is different.
// Invariant: one snapshot back and no further, or every scope there ever was would be kept alive by the next.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import type { ScopeView, ServiceView } from './proxy-view.ts'
import { changedServices } from './scope-changes.ts'

export interface KnownScope {
  readonly scope: ScopeView
  readonly sidecar: SidecarScope | undefined
  /** In the snapshot, of each of the scope's services. */
  readonly keys: readonly string[]
  /** Where a hostname stands among the services. */
  readonly positions: ReadonlyMap<string, number>
}

export interface ScopesOfSnapshot {
  readonly known: Map<string, KnownScope>
  /** Of the snapshot before, and which services have changed since. Undefined: nothing to go by. */
  readonly before: { readonly known: ReadonlyMap<string, KnownScope>; readonly changed: ReadonlySet<string> } | undefined
}

const scopes = new WeakMap<MeshSnapshot, ScopesOfSnapshot>()
/** Held, because the control plane lets go of the one before as soon as there is a new one. */
let newest: MeshSnapshot | undefined

export function scopesOf(snapshot: MeshSnapshot): ScopesOfSnapshot {
  const found = scopes.get(snapshot)
  if (found !== undefined) return found
  const last = newest
  const known = last === undefined ? undefined : scopes.get(last)?.known
  const changed = last === undefined ? undefined : changedServices(last, snapshot)
  const made = { known: new Map(), before: known === undefined || changed === undefined ? undefined : { known, changed } }
  scopes.set(snapshot, made)
  newest = snapshot
  return made
}

/** How a scope came from one of the snapshot before. */
export interface Derivation {
  readonly from: ScopeView
  /** The services that are different now. */
  readonly changed: readonly ServiceView[]
}

const derivations = new WeakMap<ScopeView, { readonly from: WeakRef<ScopeView>; readonly changed: readonly ServiceView[] }>()

export function recordDerivation(scope: ScopeView, { from, changed }: Derivation): void {
  derivations.set(scope, { from: new WeakRef(from), changed })
}

/** Undefined: it was made from its snapshot alone, or what it came from is gone. */
export function derivationOf(scope: ScopeView): Derivation | undefined {
  const derivation = derivations.get(scope)
  const from = derivation?.from.deref()
  return derivation === undefined || from === undefined ? undefined : { from, changed: derivation.changed }
}
