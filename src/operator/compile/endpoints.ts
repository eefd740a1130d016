// Services meet workloads: who answers for each service port, and with which identities. After peer-authentication.
// Invariant: every service has an entry, if only an empty one, so that a service without endpoints answers 503 UH and not 404.
import { type Finding, finding } from '../../api/finding.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { Endpoint, MeshService, ServiceEndpoints, ServicePort } from '../../model/service.ts'
import { type Workload, type WorkloadPort, workloadKey } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import { compareText, type MeshDraft } from './mesh-draft.ts'
import { targets } from './workloads.ts'

export function endpoints(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  const byNamespace = Map.groupBy(draft.workloads.values(), ({ namespace }) => namespace)
  for (const [hostname, service] of draft.services) {
    const selector = draft.selectors.get(hostname)
    const selected = (selector === undefined ? [] : (byNamespace.get(service.namespace) ?? []))
      .filter(({ labels }) => hasLabels(labels, selector ?? {}))
      .sort((a, b) => compareText(workloadKey(a), workloadKey(b)))
    const found = endpointsOf(service, selected, input)
    draft.endpoints.set(hostname, found)
    if (selected.length > 0) findings.push(...unansweredPorts(service, found, input))
  }
  return findings
}

/** Ports that none of the selected workloads has: a slip in a targetPort. */
function unansweredPorts(service: MeshService, found: ServiceEndpoints, input: CompileInput): readonly Finding[] {
  const object = input.state.objects.Service.get(`${service.namespace}/${service.name}`)
  if (object === undefined) return []
  return service.ports.flatMap((port, index) => {
    const isAnswered = found.ports.some((each) => each.port === port.number && each.endpoints.length > 0)
    const at = (object.spec.ports ?? []).findIndex((each) => each.port === port.number)
    return isAnswered
      ? []
      : [finding('LTN0211', object, `spec.ports[${at === -1 ? index : at}]`, { port: port.number, target: port.targetPort })]
  })
}

function endpointsOf(service: MeshService, selected: readonly Workload[], input: CompileInput): ServiceEndpoints {
  const ports = service.ports.map((port) => ({
    port: port.number,
    endpoints: selected.flatMap((workload) => endpointOf(workload, port) ?? []),
  }))
  return { hostname: service.hostname, identities: identitiesOf(selected, input), ports }
}

function identitiesOf(selected: readonly Workload[], input: CompileInput): readonly string[] {
  const ids = selected.flatMap(({ namespace, serviceAccount }) => {
    const id = workloadSpiffeId({ trustDomain: input.settings.trustDomain, namespace, serviceAccount })
    return id.ok ? [id.value] : []
  })
  return [...new Set(ids)].sort(compareText)
}

/** Undefined: the workload does not have the port that the service means. */
function endpointOf(workload: Workload, servicePort: ServicePort): Endpoint | undefined {
  const port = workload.ports.find((each) => targets(servicePort, each.name, each.number))
  const address = port === undefined ? undefined : addressOf(workload, port)
  if (port === undefined || address === undefined) return undefined
  const { labels, locality, name, namespace } = workload
  return {
    ...address,
    health: workload.ready ? 'healthy' : 'unhealthy',
    // A workload that takes plaintext only is called in plaintext, even when its policy is its own and not its namespace's.
    acceptsMutualTls: port.tls.mode !== 'disable',
    labels,
    locality,
    workload: { name, namespace, app: canonicalName(workload), version: canonicalRevision(workload) },
  }
}

function addressOf(workload: Workload, port: WorkloadPort): { readonly host: string; readonly port: number } | undefined {
  if (workload.capture.kind === 'redirect') return { host: workload.address, port: port.number }
  return workload.capture.inbound.find((each) => each.port === port.number)?.listen
}

/** Istio's canonical service: label service.istio.io/canonical-name, else app.kubernetes.io/name, else app, else the workload. */
function canonicalName({ labels, name }: Workload): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? name
}

function canonicalRevision({ labels }: Workload): string {
  return labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? 'latest'
}
