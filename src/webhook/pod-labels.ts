// Labels and annotations that injection adds: what peers' metrics call the workload, whether it speaks the mesh's TLS, which container
// `kubectl logs` and `kubectl exec` mean. Pure. What the pod says itself stays.
import type { Workload } from './owner.ts'
import type { Container, Texts } from './pod.ts'

export const STATUS_ANNOTATION = 'sidecar.istio.io/status'

export function addedLabels(labels: Texts, workload: Workload, inboundIsCaptured: boolean): Texts {
  const name = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? workload.name
  const revision = labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? 'latest'
  return {
    // Without capture the application's port answers itself: a peer that came with TLS would not be understood.
    'security.istio.io/tlsMode': labels['security.istio.io/tlsMode'] ?? (inboundIsCaptured ? 'istio' : 'disabled'),
    ...(name === '' ? {} : { 'service.istio.io/canonical-name': asLabel(name) }),
    'service.istio.io/canonical-revision': asLabel(revision),
  }
}

/** A label's value has 63 characters and ends with a letter or digit. */
function asLabel(text: string): string {
  return text.slice(0, 63).replace(/[-_.]+$/, '')
}

export function addedAnnotations(annotations: Texts, revision: string, applications: readonly Container[]): Texts {
  const [first] = applications
  const named = ['kubectl.kubernetes.io/default-container', 'kubectl.kubernetes.io/default-logs-container'].flatMap((key) =>
    first === undefined || annotations[key] !== undefined ? [] : [[key, first.name] as const],
  )
  return { 'istio.io/rev': revision, ...Object.fromEntries(named) }
}
