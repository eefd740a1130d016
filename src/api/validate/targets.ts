// Policies that name their targets instead of selecting workloads. Targets are gateways of the Gateway API and waypoints; sidecars and
// Istio's own gateways ignore such a policy altogether, so whoever writes one for them believes in a policy that is not there.
import type { FieldPath } from '../field-path.ts'
import type { Report } from '../report.ts'

interface Targeting {
  readonly targetRef?: Target
  readonly targetRefs?: readonly Target[]
}

interface Target {
  readonly group?: string
  readonly kind: string
  readonly name: string
}

/** `group/kind` as Istio takes them; Service is in the core group, which is also called ''. */
const KINDS: ReadonlySet<string> = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
])

export function checkTargets(spec: Targeting, path: FieldPath, report: Report): void {
  const { targetRef, targetRefs = [] } = spec
  if (targetRef !== undefined) checkTarget(targetRef, [...path, 'targetRef'], report)
  targetRefs.forEach((target, index) => void checkTarget(target, [...path, 'targetRefs', index], report))
  const field = targetRef === undefined ? 'targetRefs' : 'targetRef'
  if (spec[field] === undefined || targetRefs.length + (targetRef === undefined ? 0 : 1) === 0) return
  report('LTN0147', [...path, field], { field, reason: 'sidecars ignore objects with targets; only a selector selects them' }, 'key')
}

function checkTarget({ group = '', kind }: Target, path: FieldPath, report: Report): void {
  if (KINDS.has(`${group}/${kind}`)) return
  const value = group === '' ? kind : `${kind} of ${group}`
  const allowed = [...KINDS].map((each) => each.replace(/^\//, '')).join(', ')
  report('LTN0113', [...path, 'kind'], { value, suggestion: '', allowed })
}
