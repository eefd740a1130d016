// Services meet workloads: who answers for each service port, and with which identities. After peer-authentication.
// Invariant: every service has an entry, if only an empty one, so that a service without endpoints answers 503 UH and not 404.
import { type Finding, finding } from '../../api/finding.ts'
import type { Service } from '../../api/generated/service.gen.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { type Endpoint, familyOf, type MeshService, type ServiceEndpoints, type ServicePort } from '../../model/service.ts'
import type { Workload, WorkloadPort } from '../../model/workload.ts'
import { canonicalName, canonicalRevision } from './canonical-service.ts'
import { fixedEndpoint } from './fixed-endpoints.ts'
import { compareText, type FixedEndpoint, valuesOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'
import { targets } from './workloads.ts'

export const endpoints = definePass({
  kinds: ['Service'],
  reads: ['services', 'aliases', 'selected', 'workloads', 'fixedEndpoints'],
  create: () => {
    const compiled = new Remembered(compileEndpoints)
    const shared = new Remembered(sharedEndpoints)
    return ({ objects, draft, settings }) => {
      const compile = compiled.round()
      const share = shared.round()
      const findings: Finding[] = []
      const made = new Map<string, ServiceEndpoints>()
      for (const [key, service] of draft.services) {
        const workloads = valuesOf(draft.workloads, draft.selected.get(key))
        const fixed = draft.fixedEndpoints.get(key) ?? NONE
        const object = service.hasShortNames ? objects.Service.get(`${service.namespace}/${service.name}`) : undefined
        const own = compile(key, service, object, workloads, fixed, settings.trustDomain)
        made.set(key, own.endpoints)
        findings.push(...own.findings)
      }
      for (const [alias, target] of draft.aliases) {
        const [service, found] = [draft.services.get(alias), made.get(target)]
        if (service !== undefined && found !== undefined) made.set(alias, share(alias, service, found))
      }
      return { endpoints: made, findings }
    }
  },
})

const NONE: readonly FixedEndpoint[] = []

interface CompiledEndpoints {
  readonly endpoints: ServiceEndpoints
  readonly findings: readonly Finding[]
}

/** @param object undefined: of a ServiceEntry. */
function compileEndpoints(
  service: MeshService,
  object: Service | undefined,
  workloads: readonly Workload[],
  fixed: readonly FixedEndpoint[],
  trustDomain: string,
): CompiledEndpoints {
  const alsoUnready = object?.spec.publishNotReadyAddresses === true
  const ports = service.ports.map((port) => ({
    port: port.number,
    endpoints: [
      ...workloads.flatMap((workload) => endpointOf(workload, port, service, alsoUnready) ?? []),
      ...fixed.flatMap((each) => fixedEndpoint(each, port, service, alsoUnready) ?? []),
    ],
  }))
  const all = ports.flatMap((port) => port.endpoints)
  const accounts = [...workloads, ...(service.isExternal ? [] : fixed)]
  const endpoints = {
    hostname: service.hostname,
    identities: identitiesOf(accounts, service.subjectAltNames, trustDomain),
    allTakeMutualTls: all.length > 0 && all.every(({ acceptsMutualTls }) => acceptsMutualTls),
    ports,
  }
  return { endpoints, findings: object === undefined ? [] : findingsOf(service, object, endpoints, workloads.length + fixed.length) }
}

function findingsOf(service: MeshService, object: Service, found: ServiceEndpoints, members: number): readonly Finding[] {
  if (members > 0) return unansweredPorts(service, object, found)
  const selectsSomebody = object.spec.type === 'ExternalName' || Object.keys(object.spec.selector ?? {}).length > 0
  return selectsSomebody ? [] : [finding('LTN0230', object, 'spec', { service: service.name })]
}

/** Port by number, as a client that calls the alias means it. */
function sharedEndpoints(service: MeshService, found: ServiceEndpoints): ServiceEndpoints {
  const ports = service.ports.map(({ number }) => ({
    port: number,
    endpoints: found.ports.find(({ port }) => port === number)?.endpoints ?? [],
  }))
  return { ...found, hostname: service.hostname, ports }
}

/** Ports that none of the selected workloads has: a slip in a targetPort. */
function unansweredPorts(service: MeshService, object: Service, found: ServiceEndpoints): readonly Finding[] {
  return service.ports.flatMap((port, index) => {
    const isAnswered = found.ports.some((each) => each.port === port.number && each.endpoints.length > 0)
    const at = (object.spec.ports ?? []).findIndex((each) => each.port === port.number)
    return isAnswered
      ? []
      : [finding('LTN0211', object, `spec.ports[${at === -1 ? index : at}]`, { port: port.number, target: port.targetPort })]
  })
}

type Account = Pick<FixedEndpoint, 'namespace' | 'serviceAccount'>

function identitiesOf(accounts: readonly Account[], more: readonly string[], trustDomain: string): readonly string[] {
  const ids = accounts.flatMap(({ namespace, serviceAccount }) => {
    if (serviceAccount === undefined) return []
    const id = workloadSpiffeId({ trustDomain, namespace, serviceAccount })
    return id.ok ? [id.value] : []
  })
  return [...new Set([...ids, ...more.filter((name) => name.startsWith('spiffe://'))])].sort(compareText)
}

/** Undefined: the workload does not have the port that the service means. */
function endpointOf(workload: Workload, servicePort: ServicePort, service: MeshService, alsoUnready: boolean): Endpoint | undefined {
  const port = workload.ports.find((each) => targets(servicePort, each.name, each.number))
  const address = port === undefined ? undefined : addressOf(workload, port, service)
  if (port === undefined || address === undefined) return undefined
  const { labels, locality, name, namespace, workloadName, hasProxy, isTerminating } = workload
  return {
    ...address,
    // Whether it answers is said at last (readiness.ts).
    health: alsoUnready ? 'healthy' : isTerminating === true ? 'draining' : 'unhealthy',
    // A workload that takes plaintext only is called in plaintext, even when its policy is its own and not its namespace's.
    acceptsMutualTls: hasProxy && port.bypassesProxy !== true && port.tls.mode !== 'disable',
    labels,
    locality,
    weight: 1,
    instance: `${namespace}/${name}`,
    workload: {
      ...{ name: workloadName, namespace },
      ...{ app: canonicalName({ labels, name: workloadName }), version: canonicalRevision(workload) },
    },
  }
}

function addressOf(
  { capture, address, otherAddresses, hasProxy }: Workload,
  { number }: WorkloadPort,
  { families }: MeshService,
): Pick<Endpoint, 'host' | 'otherHosts' | 'port'> | undefined {
  // Where no proxy takes what comes in, the application itself is called.
  if (capture.kind === 'bind' && hasProxy) return capture.inbound.find(({ port }) => port === number)?.listen
  if (otherAddresses === undefined) return { host: address, port: number }
  const [host = address, ...otherHosts] = ofFamilies([address, ...otherAddresses], families)
  return { host, port: number, ...(otherHosts.length === 0 ? {} : { otherHosts }) }
}

/** In the order of the families; those of no other, unless there are none. */
function ofFamilies(addresses: readonly string[], families: MeshService['families']): readonly string[] {
  const wanted = families?.flatMap((family) => addresses.filter((each) => familyOf(each) === family)) ?? []
  return wanted.length === 0 ? addresses : wanted
}
