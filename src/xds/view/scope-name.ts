// Which scope a client has: clients with the same name see the same. Asked for every proxy after every change, of which most leave it as
// it was, so it is remembered while nothing that it depends on is another object. Used by viewFor.
// Invariant: whatever a scope depends on, beside the snapshot itself, stands in its name.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import type { Workload } from '../../model/workload.ts'
import { selectingPolicies } from './choose-policy.ts'
import { keptRoutes, selectingRoutes } from './choose-route.ts'
import { chooseSidecar } from './choose-services.ts'
import type { Client } from './client.ts'
import { type ClientPlace, placeFor } from './client-place.ts'

export interface ScopeName {
  readonly name: string
  /** The one that is for the client. */
  readonly sidecar: SidecarScope | undefined
  readonly place: ClientPlace | undefined
}

/** Of each workload, by how it is served. */
type Names = WeakMap<Workload, Map<string, ScopeName>>

const sameQuestions = createWeakMemo<Names>()
const ofSnapshot = new WeakMap<MeshSnapshot, Names>()

/** @param workload the client's: its namespace, labels and place are the client's. */
export function scopeNameFor(snapshot: MeshSnapshot, client: Client, workload: Workload): ScopeName {
  const names = ofSnapshot.get(snapshot) ?? namesOf(snapshot)
  let ofWorkload = names.get(workload)
  if (ofWorkload === undefined) {
    ofWorkload = new Map()
    names.set(workload, ofWorkload)
  }
  const variant = `${client.capture} ${client.isStock} ${client.discoversVirtualHosts}`
  const known = ofWorkload.get(variant)
  if (known !== undefined) return known
  const sidecar = chooseSidecar(snapshot, client)
  const place = placeFor(snapshot, client)
  const name = [
    `${variant} ${client.namespace}`,
    sidecar === undefined ? '' : `${sidecar.origin.namespace}/${sidecar.origin.name}`,
    selectingPolicies(snapshot, client),
    keptRoutes(selectingRoutes(snapshot), client),
    place?.key,
  ].join('\n')
  const made = { name, sidecar, place }
  ofWorkload.set(variant, made)
  return made
}

/** Shared by snapshots that give every client the same answers. */
function namesOf(snapshot: MeshSnapshot): Names {
  const { settings, sidecars, policies } = snapshot
  const names = sameQuestions([settings, sidecars, policies, selectingRoutes(snapshot)], () => new WeakMap())
  ofSnapshot.set(snapshot, names)
  return names
}
