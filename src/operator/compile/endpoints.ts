// Services meet workloads: who answers for each service port, and with which identities. After peer-authentication.
// Invariant: every service has an entry, if only an empty one, so that a service without endpoints answers 503 UH and not 404.
import { type Finding, finding } from '../../api/finding.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { Endpoint, MeshService, ServiceEndpoints, ServicePort } from '../../model/service.ts'
import { type Workload, type WorkloadPort, workloadKey } from '../../model/workload.ts'
import { canonicalName, canonicalRevision } from './canonical-service.ts'
import type { CompileInput } from './compile-input.ts'
import { fixedEndpoint, selectedEntries } from './fixed-endpoints.ts'
import { compareText, type FixedEndpoint, type MeshDraft } from './mesh-draft.ts'
import { targets } from './workloads.ts'

/** Who stands behind one service, whatever the kind of object. */
interface Members {
  readonly workloads: readonly Workload[]
  readonly fixed: readonly FixedEndpoint[]
}

export function endpoints(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  const byNamespace = Map.groupBy(draft.workloads.values(), ({ namespace }) => namespace)
  for (const [key, service] of draft.services) {
    const selector = draft.selectors.get(key)
    const workloads = (selector === undefined ? [] : (byNamespace.get(service.namespace) ?? []))
      .filter(({ labels }) => hasLabels(labels, selector ?? {}))
      .sort((a, b) => compareText(workloadKey(a), workloadKey(b)))
    const fixed = draft.fixedEndpoints.get(key) ?? (selector === undefined ? [] : selectedEntries(service.namespace, selector, input))
    const found = endpointsOf(service, { workloads, fixed }, input)
    draft.endpoints.set(key, found)
    if (workloads.length + fixed.length > 0) findings.push(...unansweredPorts(service, found, input))
  }
  for (const [alias, target] of draft.aliases) shareEndpoints(alias, target, draft)
  return findings
}

/** Port by number, as a client that calls the alias means it. */
function shareEndpoints(alias: string, target: string, draft: MeshDraft): void {
  const service = draft.services.get(alias)
  const shared = draft.endpoints.get(target)
  if (service === undefined || shared === undefined) return
  const ports = service.ports.map(({ number }) => ({
    port: number,
    endpoints: shared.ports.find(({ port }) => port === number)?.endpoints ?? [],
  }))
  draft.endpoints.set(alias, { ...shared, hostname: service.hostname, ports })
}

/** Ports that none of the selected workloads has: a slip in a targetPort. */
function unansweredPorts(service: MeshService, found: ServiceEndpoints, input: CompileInput): readonly Finding[] {
  const object = input.state.objects.Service.get(`${service.namespace}/${service.name}`)
  if (object === undefined || !service.hasShortNames) return []
  return service.ports.flatMap((port, index) => {
    const isAnswered = found.ports.some((each) => each.port === port.number && each.endpoints.length > 0)
    const at = (object.spec.ports ?? []).findIndex((each) => each.port === port.number)
    return isAnswered
      ? []
      : [finding('LTN0211', object, `spec.ports[${at === -1 ? index : at}]`, { port: port.number, target: port.targetPort })]
  })
}

function endpointsOf(service: MeshService, { workloads, fixed }: Members, input: CompileInput): ServiceEndpoints {
  const alsoUnready =
    service.hasShortNames && input.state.objects.Service.get(`${service.namespace}/${service.name}`)?.spec.publishNotReadyAddresses === true
  const ports = service.ports.map((port) => ({
    port: port.number,
    endpoints: [
      ...workloads.flatMap((workload) => endpointOf(workload, port, alsoUnready) ?? []),
      ...fixed.map((each) => fixedEndpoint(each, port, service)),
    ],
  }))
  const all = ports.flatMap((port) => port.endpoints)
  const accounts = [...workloads, ...(service.isExternal ? [] : fixed)]
  return {
    hostname: service.hostname,
    identities: identitiesOf(accounts, service.subjectAltNames, input),
    allTakeMutualTls: all.length > 0 && all.every(({ acceptsMutualTls }) => acceptsMutualTls),
    ports,
  }
}

type Account = Pick<FixedEndpoint, 'namespace' | 'serviceAccount'>

function identitiesOf(accounts: readonly Account[], more: readonly string[], input: CompileInput): readonly string[] {
  const ids = accounts.flatMap(({ namespace, serviceAccount }) => {
    if (serviceAccount === undefined) return []
    const id = workloadSpiffeId({ trustDomain: input.settings.trustDomain, namespace, serviceAccount })
    return id.ok ? [id.value] : []
  })
  return [...new Set([...ids, ...more.filter((name) => name.startsWith('spiffe://'))])].sort(compareText)
}

/** Undefined: the workload does not have the port that the service means. */
function endpointOf(workload: Workload, servicePort: ServicePort, alsoUnready: boolean): Endpoint | undefined {
  const port = workload.ports.find((each) => targets(servicePort, each.name, each.number))
  const address = port === undefined ? undefined : addressOf(workload, port)
  if (port === undefined || address === undefined) return undefined
  const { labels, locality, name, namespace } = workload
  return {
    ...address,
    health: workload.ready || alsoUnready ? 'healthy' : 'unhealthy',
    // A workload that takes plaintext only is called in plaintext, even when its policy is its own and not its namespace's.
    acceptsMutualTls: port.tls.mode !== 'disable',
    labels,
    locality,
    weight: 1,
    workload: { name, namespace, app: canonicalName(workload), version: canonicalRevision(workload) },
  }
}

function addressOf(workload: Workload, port: WorkloadPort): { readonly host: string; readonly port: number } | undefined {
  if (workload.capture.kind === 'redirect') return { host: workload.address, port: port.number }
  return workload.capture.inbound.find((each) => each.port === port.number)?.listen
}
