// Labels and annotations that injection adds: what peers' metrics call the workload, whether it speaks the mesh's TLS, which container
// `kubectl logs` and `kubectl exec` mean. Pure. What the pod says itself stays.

import type { InjectorConfig } from './injector-config.ts'
import type { Workload } from './owner.ts'
import type { Container, Texts } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'
import type { ProxyKind } from './proxy-container.ts'

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

export function addedAnnotations(annotations: Texts, { config }: PodSettings, kind: ProxyKind, applications: readonly Container[]): Texts {
  const [first] = applications
  const wanted: readonly (readonly [string, string | undefined])[] = [
    ['kubectl.kubernetes.io/default-container', first?.name],
    ['kubectl.kubernetes.io/default-logs-container', first?.name],
    ...(kind === 'gateway' ? [] : captureOf(config)),
  ]
  const missing = wanted.flatMap(([key, text]) => (text === undefined || annotations[key] !== undefined ? [] : [[key, text] as const]))
  return { 'istio.io/rev': config.revision, ...Object.fromEntries(missing) }
}

/** The control plane reads from the pod alone which of its ports the proxy takes: what the configuration says is written down there. */
function captureOf(config: InjectorConfig): readonly (readonly [string, string])[] {
  const written: (readonly [string, string])[] = []
  if (config.capture === 'none') written.push(['sidecar.istio.io/interceptionMode', 'NONE'])
  if (config.includeInboundPorts.trim() !== '*') written.push(['traffic.sidecar.istio.io/includeInboundPorts', config.includeInboundPorts])
  if (config.excludeInboundPorts.trim() !== '') written.push(['traffic.sidecar.istio.io/excludeInboundPorts', config.excludeInboundPorts])
  return written
}
