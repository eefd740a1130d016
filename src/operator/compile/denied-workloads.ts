// Policies that the mesh cannot apply yet, or that have errors, close the workloads that they select: a policy that is skipped would let
// through what its author forbade. After workloads. The Finding on a kind not in force comes from validation (LTN0104).
// Selection errs on the side of closing: a policy without a readable selector selects its whole namespace.
import { finding } from '../../api/finding.ts'
import { denyingKinds } from '../../api/in-force.ts'
import type { KindName } from '../../api/kinds.ts'
import type { ApiObject } from '../../api/object-meta.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import { describeOrigin } from '../../model/origin.ts'
import type { Denial, Workload } from '../../model/workload.ts'
import type { ObjectMaps } from '../ingest/kube-state.ts'
import { originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

const SECURITY_KINDS: readonly KindName[] = ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication']

const protectingKinds: readonly KindName[] = [...new Set([...SECURITY_KINDS, ...denyingKinds])]

export const deniedWorkloads = definePass({
  kinds: protectingKinds,
  reads: ['workloads'],
  create: () => {
    const closed = new Remembered(withDenials)
    return ({ objects, draft, settings }) => {
      const unreadable = ofKinds(objects, SECURITY_KINDS).filter(isUnreadable)
      const unsupported = ofKinds(objects, denyingKinds).filter((policy) => !isUnreadable(policy))
      const byNamespace = Map.groupBy([...unsupported, ...unreadable], ({ metadata }) => metadata.namespace)
      const { rootNamespace } = settings
      const close = closed.round()
      const workloads = new Map(draft.workloads)
      for (const [key, workload] of draft.workloads) {
        const own = byNamespace.get(workload.namespace) ?? NONE
        const ofMesh = workload.namespace === rootNamespace ? NONE : (byNamespace.get(rootNamespace) ?? NONE)
        if (own.length + ofMesh.length > 0) workloads.set(key, close(key, workload, own, ofMesh))
      }
      const findings = unreadable.map((policy) => finding('LTN0212', policy, '', { kind: policy.kind, name: policy.metadata.name }))
      return { workloads, findings }
    }
  },
})

const NONE: readonly ApiObject[] = []

function ofKinds(objects: ObjectMaps, kinds: readonly KindName[]): readonly ApiObject[] {
  return kinds.flatMap((kind): readonly ApiObject[] => [...objects[kind].values()])
}

function withDenials(workload: Workload, own: readonly ApiObject[], ofMesh: readonly ApiObject[]): Workload {
  const denials = [...own, ...ofMesh].filter((policy) => protects(policy, workload)).map(denialOf)
  return denials.length === 0 ? workload : { ...workload, denials }
}

function isUnreadable(policy: ApiObject): boolean {
  return policy.unreadable === true
}

/** @param policy of the workload's namespace or of the whole mesh. */
function protects(policy: ApiObject, workload: Workload): boolean {
  const spec = recordOf(policy.spec)
  // Policies with targets are for gateways and waypoints (Istio: sidecars ignore them).
  if (spec?.targetRef !== undefined || spec?.targetRefs !== undefined) return false
  const labels = recordOf(recordOf(spec?.selector)?.matchLabels)
  const wanted = Object.entries(labels ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return hasLabels(workload.labels, Object.fromEntries(wanted))
}

function denialOf(policy: ApiObject): Denial {
  const origin = originOf(policy)
  const why = isUnreadable(policy) ? 'has errors' : 'is not in force in this version'
  return { policy: origin, reason: `${describeOrigin(origin)} ${why}, so it denies` }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined
}
