// Istio's annotations on objects of any kind: a slip in their name or place makes them silent. Called for every object.
import { suggest } from '../../base/suggest.ts'
import type { AnyApiObject } from '../kinds.ts'
import type { Report } from '../report.ts'
import { isKnownCode, SUPPRESSING_ANNOTATIONS, suppressedCodes } from '../suppression.ts'

/** On objects of the mesh; those that end with a star stand for a family. Reserved ones are metadata.ts's. */
const KNOWN: Readonly<Record<string, readonly string[] | 'any'>> = {
  'galley.istio.io/analyze-suppress': 'any',
  'istio.io/dry-run': ['AuthorizationPolicy'],
  'networking.istio.io/exportTo': ['Service'],
  'networking.istio.io/traffic-distribution': ['Service', 'ServiceEntry', 'Namespace'],
  'networking.istio.io/address-type': ['Gateway', 'Service'],
  'networking.istio.io/service-type': ['Gateway', 'Service'],
  'traffic.istio.io/nodeSelector': ['Service'],
  'topology.istio.io/controlPlaneClusters': ['Namespace'],
  'istio.io/autoRegistrationGroup': ['WorkloadEntry'],
  'istio.io/workloadController': ['WorkloadEntry'],
  'istio.io/connectedAt': ['WorkloadEntry'],
  'istio.io/disconnectedAt': ['WorkloadEntry'],
  'ambient.istio.io/bypass-inbound-capture': ['Namespace'],
}

/** Families that belong to pods (or to the template of a WorkloadGroup). */
const POD_DOMAINS =
  /^(?:sidecar|status\.sidecar|readiness\.status\.sidecar|traffic\.sidecar|proxy|prometheus|inject|ambient)\.istio\.io$|^istio\.io\/(?:rev|reroute-virtual-interfaces)$/

const WORKLOAD_KINDS: readonly string[] = ['Pod', 'LocalWorkload', 'WorkloadEntry', 'WorkloadGroup']

export function checkAnnotations(object: AnyApiObject, report: Report): void {
  for (const [name, value] of Object.entries(object.metadata.annotations)) {
    if (SUPPRESSING_ANNOTATIONS.includes(name)) checkSuppression(object, name, report)
    const [domain = ''] = name.split('/')
    if (domain !== 'istio.io' && !domain.endsWith('.istio.io')) continue
    if (domain === 'internal.istio.io') continue
    const problem = placeProblem(name, domain, object.kind)
    if (problem !== undefined) report('LTN0153', ['metadata', 'annotations', name], { annotation: name, problem }, 'key')
    else if (name === 'istio.io/dry-run') checkDryRun(object, value, report)
  }
}

function checkSuppression(object: AnyApiObject, name: string, report: Report): void {
  for (const code of suppressedCodes(object)) {
    if (isKnownCode(code)) continue
    report(
      'LTN0153',
      ['metadata', 'annotations', name],
      { annotation: name, problem: `names '${code}', which is no code of a Finding` },
      'key',
    )
  }
}

function placeProblem(name: string, domain: string, kind: string): string | undefined {
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined
  if (known === 'any' || known?.includes(kind) === true) return undefined
  if (known !== undefined) return `means something on ${known.join(', ')} only`
  if (POD_DOMAINS.test(domain) || POD_DOMAINS.test(name))
    return WORKLOAD_KINDS.includes(kind) ? undefined : 'means something on a workload only'
  const nearest = suggest(name, Object.keys(KNOWN))
  return `is not known${nearest === undefined ? '' : `; did you mean '${nearest}'?`}`
}

/** Istio refuses it elsewhere, because a policy whose author believes it to be a trial run would be in force. */
function checkDryRun(object: AnyApiObject, value: string, report: Report): void {
  const path = ['metadata', 'annotations', 'istio.io/dry-run']
  if (!['true', 'false', '1', '0', 't', 'f', 'T', 'F', 'TRUE', 'FALSE', 'True', 'False'].includes(value)) {
    report('LTN0113', path, { value, suggestion: '', allowed: 'true, false' })
  }
  const action = object.kind === 'AuthorizationPolicy' ? (object.spec.action ?? 'ALLOW') : 'ALLOW'
  if (action !== 'ALLOW' && action !== 'DENY') report('LTN0135', path, { first: 'istio.io/dry-run', second: `action ${action}` }, 'key')
}
