// LocalWorkloads become workloads of the mesh: identity, ports with their protocols, how traffic reaches the sidecar. Second pass.
// Invariant: until peer-authentication has run, every port is 'permissive'; nothing is generated before that.
import type { Finding } from '../../api/finding.ts'
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import { serviceHostname } from '../../model/mesh-settings.ts'
import { isHttp, type MeshService, NO_LOCALITY, type Protocol, type ServicePort } from '../../model/service.ts'
import { type Capture, ISTIO_REDIRECT, type ServerTls, type Workload, type WorkloadPort } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import { type MeshDraft, originOf, sortedByKey } from './mesh-draft.ts'
import { protocolOfName } from './protocol.ts'

const UNDECIDED: ServerTls = { mode: 'permissive', because: undefined }

export function workloads(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const selecting = Map.groupBy(sortedByKey(draft.selectors), ([hostname]) => draft.services.get(hostname)?.namespace)
  for (const [key, addresses] of Object.entries(input.addresses.workloads)) {
    const object = input.state.objects.LocalWorkload.get(addresses.workload)
    if (object === undefined) continue
    const { labels, namespace } = object.metadata
    const behind = (selecting.get(namespace) ?? []).flatMap(([hostname, selector]) => {
      const service = draft.services.get(hostname)
      return service !== undefined && hasLabels(labels, selector) ? [service] : []
    })
    const capture = captureOf(addresses, draft, input)
    draft.workloads.set(key, workloadOf(object, { key, address: addresses.address, behind, capture }, input))
  }
  return []
}

interface Surroundings {
  /** `namespace/name` of the instance: a LocalWorkload with replicas has several. */
  readonly key: string
  readonly address: string
  /** The services that select it. */
  readonly behind: readonly MeshService[]
  readonly capture: Capture
}

function workloadOf(object: LocalWorkload, { key, address, behind, capture }: Surroundings, input: CompileInput): Workload {
  const { labels, namespace } = object.metadata
  return {
    namespace,
    name: key.slice(namespace.length + 1),
    serviceAccount: object.spec.serviceAccount ?? 'default',
    labels,
    address,
    ports: portsOf(object, behind),
    locality: NO_LOCALITY,
    ready: input.ready.has(key),
    capture,
    otherPortsTls: UNDECIDED,
    denials: [],
    origin: originOf(object),
  }
}

function portsOf(object: LocalWorkload, behind: readonly MeshService[]): readonly WorkloadPort[] {
  const seen = new Set<number>()
  const ports: WorkloadPort[] = []
  for (const { name = '', containerPort } of object.spec.ports ?? []) {
    if (seen.has(containerPort)) continue
    seen.add(containerPort)
    const here = behind.filter((service) => service.ports.some((port) => targets(port, name, containerPort)))
    const targeting = here.flatMap((service) => service.ports.filter((port) => targets(port, name, containerPort)))
    ports.push({
      name,
      number: containerPort,
      protocol: commonProtocol(targeting) ?? protocolOfName(name) ?? 'tcp',
      tls: UNDECIDED,
      services: here.map(({ hostname, name, namespace }) => ({ hostname, name, namespace })),
    })
  }
  return ports.sort((a, b) => a.number - b.number)
}

export function targets(port: ServicePort, name: string, number: number): boolean {
  return typeof port.targetPort === 'number' ? port.targetPort === number : port.targetPort === name || port.targetPort === String(number)
}

/** Services that disagree leave the bytes unread, which suits them all; HTTP/1.1 and HTTP/2 are told apart by their first bytes. */
function commonProtocol(ports: readonly ServicePort[]): Protocol | undefined {
  const protocols = new Set(ports.map((port) => port.protocol))
  if (protocols.size <= 1) return ports[0]?.protocol
  return ports.every(({ protocol }) => isHttp(protocol)) ? 'http' : 'tcp'
}

function captureOf(addresses: WorkloadAddresses, draft: MeshDraft, input: CompileInput): Capture {
  if (input.capture === 'redirect') return ISTIO_REDIRECT
  const outbound = addresses.outbound.flatMap(({ service, port, listen }) => {
    const [namespace = '', name = ''] = service.split('/')
    const hostname = serviceHostname(name, namespace, input.settings)
    const isKnown = draft.services.get(hostname)?.ports.some((each) => each.number === port) === true
    return isKnown ? [{ hostname, port, listen }] : []
  })
  const inbound = addresses.inbound.map(({ containerPort, listen, application }) => ({ port: containerPort, listen, application }))
  const { httpProxy } = addresses
  return { kind: 'bind', inbound, outbound, httpProxy: httpProxy.port === 0 ? undefined : httpProxy }
}
