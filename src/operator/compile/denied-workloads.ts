// Policies that the mesh cannot apply yet, or that have errors, close the workloads that they select: a policy that is skipped would let
// through what its author forbade. After workloads. The Finding on a kind not in force comes from validation (LTN0104).
// Selection errs on the side of closing: a policy without a readable selector selects its whole namespace.
import { type Finding, finding } from '../../api/finding.ts'
import { denyingKinds } from '../../api/in-force.ts'
import type { KindName } from '../../api/kinds.ts'
import type { ApiObject } from '../../api/object-meta.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import { describeOrigin } from '../../model/origin.ts'
import type { Denial, Workload } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import { type MeshDraft, originOf } from './mesh-draft.ts'

export function deniedWorkloads(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const { objects } = input.state
  const unreadable = SECURITY_KINDS.flatMap((kind): readonly ApiObject[] => [...objects[kind].values()]).filter(isUnreadable)
  const unsupported = denyingKinds.flatMap((kind): readonly ApiObject[] => [...objects[kind].values()])
  const policies = [...unsupported.filter((policy) => !isUnreadable(policy)), ...unreadable]
  if (policies.length === 0) return []
  for (const [key, workload] of draft.workloads) {
    const denials = policies.filter((policy) => protects(policy, workload, input.settings.rootNamespace)).map(denialOf)
    if (denials.length > 0) draft.workloads.set(key, { ...workload, denials })
  }
  return unreadable.map((policy) => finding('LTN0212', policy, '', { kind: policy.kind, name: policy.metadata.name }))
}

const SECURITY_KINDS: readonly KindName[] = ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication']

function isUnreadable(policy: ApiObject): boolean {
  return policy.unreadable === true
}

function protects(policy: ApiObject, workload: Workload, rootNamespace: string): boolean {
  const { namespace } = policy.metadata
  if (namespace !== workload.namespace && namespace !== rootNamespace) return false
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
