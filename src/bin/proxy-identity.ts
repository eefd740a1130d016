// Who this proxy is, from the bootstrap's node: the labels that peers and metrics see, and the identity that its certificate carries.
// Keys of the metadata are Istio's, so that a bootstrap written for a stock proxy says the same here.
import type { Result } from '../base/result.ts'
import type { JsonValue, Node } from '../envoy/generated/messages.gen.ts'
import { parseNodeId } from '../envoy/names.ts'
import { type SpiffeId, workloadSpiffeId } from '../identity/spiffe-id.ts'
import type { PeerLabels } from '../proxy/telemetry/outcome.ts'

const UNKNOWN = 'unknown'

export function selfLabels(node: Node | undefined): PeerLabels {
  const metadata = node?.metadata ?? {}
  const labels = texts(metadata.LABELS)
  const parsed = parseNodeId(node?.id ?? '')
  const workload = first(text(metadata.WORKLOAD_NAME), parsed?.workload, UNKNOWN)
  const app = first(labels.app, UNKNOWN)
  const version = first(labels.version, UNKNOWN)
  return {
    workload,
    namespace: first(text(metadata.NAMESPACE), parsed?.namespace, UNKNOWN),
    app,
    version,
    // Istio's order: the canonical label, the recommended label, the plain one, a default.
    canonicalName: first(labels['service.istio.io/canonical-name'], labels['app.kubernetes.io/name'], labels.app, workload),
    canonicalRevision: first(labels['service.istio.io/canonical-revision'], labels['app.kubernetes.io/version'], labels.version, 'latest'),
    cluster: first(text(metadata.CLUSTER_ID), 'Kubernetes'),
  }
}

/** spiffe://<trust domain>/ns/<namespace>/sa/<service account>, from NAMESPACE and SERVICE_ACCOUNT. */
export function workloadIdentity(node: Node | undefined, trustDomain: string): Result<SpiffeId> {
  const metadata = node?.metadata ?? {}
  const namespace = first(text(metadata.NAMESPACE), parseNodeId(node?.id ?? '')?.namespace, 'default')
  return workloadSpiffeId({ trustDomain, namespace, serviceAccount: first(text(metadata.SERVICE_ACCOUNT), 'default') })
}

function first(...candidates: readonly (string | undefined)[]): string {
  return candidates.find((each) => each !== undefined && each !== '') ?? ''
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function texts(value: JsonValue | undefined): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
