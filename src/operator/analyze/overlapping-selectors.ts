// Kinds of which only one object counts for a workload: the oldest. A later one that selects the same workload is in force for others at most.
// Several for a whole namespace are told apart by age alone. Compile says the latter of PeerAuthentication and Sidecar
// (LTN0205).
import { type Finding, finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import { byAge } from '../compile/mesh-draft.ts'
import { type MeshFacts, reachOf, selectorOf } from './mesh-facts.ts'

export function overlappingSelectors(facts: MeshFacts): readonly Finding[] {
  const { PeerAuthentication, Sidecar, Telemetry } = facts.state.objects
  return [
    ...sameWorkload(
      [...PeerAuthentication.values()].filter(({ metadata }) => metadata.namespace !== facts.settings.rootNamespace),
      facts,
    ),
    ...sameWorkload([...Sidecar.values()], facts),
    ...sameWorkload([...Telemetry.values()].filter(hasNoTargets), facts),
    ...sameNamespace([...Telemetry.values()].filter(hasNoTargets)),
    ...selectingRootSidecars(facts),
  ]
}

function hasNoTargets({ spec }: { readonly spec: { readonly targetRef?: unknown; readonly targetRefs?: unknown } }): boolean {
  return spec.targetRef === undefined && spec.targetRefs === undefined
}

/** Each object is reported once, at its first contested workload: the work is bounded by the number of workloads. */
function sameWorkload(objects: readonly AnyApiObject[], facts: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const owners = new Map<string, AnyApiObject>()
  for (const object of [...objects].sort(byAge)) {
    const selector = selectorOf(object)
    if (selector === undefined) continue
    for (const { key, namespace } of facts.selected(selector.labels, reachOf(object, facts.settings))) {
      // A selector of the root namespace stands behind one of the workload's own: that is no conflict.
      const owned = `${namespace === object.metadata.namespace} ${key}`
      const owner = owners.get(owned)
      if (owner === undefined) {
        owners.set(owned, object)
        continue
      }
      findings.push(finding('LTN0307', object, selector.path, { workload: key, winner: formatRef(refOf(owner)) }))
      break
    }
  }
  return findings
}

function sameNamespace(objects: readonly AnyApiObject[]): readonly Finding[] {
  const findings: Finding[] = []
  const owners = new Map<string, AnyApiObject>()
  for (const object of [...objects].sort(byAge)) {
    if (selectorOf(object) !== undefined) continue
    const { namespace } = object.metadata
    const owner = owners.get(namespace)
    if (owner === undefined) owners.set(namespace, object)
    else findings.push(finding('LTN0308', object, '', { kind: object.kind, namespace, winner: formatRef(refOf(owner)) }))
  }
  return findings
}

function selectingRootSidecars({ state, settings: { rootNamespace } }: MeshFacts): readonly Finding[] {
  return [...state.objects.Sidecar.values()].flatMap((sidecar) => {
    const isTrap = sidecar.metadata.namespace === rootNamespace && selectorOf(sidecar) !== undefined
    return isTrap ? [finding('LTN0316', sidecar, 'spec.workloadSelector', { namespace: rootNamespace })] : []
  })
}
