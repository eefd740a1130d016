// LocalWorkloads become workloads of the mesh: identity, ports with their protocols, how traffic reaches the sidecar. After selection.
// Invariant: until peer-authentication has run, every port is 'permissive', and until readiness.ts has, nobody answers; nothing is generated
// before that.
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import { type MeshSettings, serviceHostname } from '../../model/mesh-settings.ts'
import { localityOfLabels, type MeshService, type Protocol, type ServicePort } from '../../model/service.ts'
import { type Capture, ISTIO_REDIRECT, type ServerTls, type Workload, type WorkloadPort } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import type { Instance } from './instance.ts'
import { originOf, valuesOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { protocolOf } from './protocol.ts'
import { Remembered } from './remembered.ts'

const UNDECIDED: ServerTls = { mode: 'permissive', because: undefined }

export const workloads = definePass({
  kinds: [],
  reads: ['instances', 'services', 'selectedBy'],
  create: () => {
    const compiled = new Remembered(workloadOf)
    return ({ draft, settings, capture }) => {
      const compile = compiled.round()
      const made = new Map<string, Workload>()
      for (const [key, instance] of draft.instances) {
        const behind = valuesOf(draft.services, draft.selectedBy.get(key))
        const called =
          capture === 'redirect'
            ? NONE
            : instance.addresses.outbound.map(({ service }) => draft.services.get(hostnameOf(service, settings)))
        made.set(key, compile(key, instance, behind, called, capture))
      }
      return { workloads: made, findings: [] }
    }
  },
})

const NONE: readonly MeshService[] = []

/** @param service `namespace/name`. */
function hostnameOf(service: string, settings: MeshSettings): string {
  const [namespace = '', name = ''] = service.split('/')
  return serviceHostname(name, namespace, settings)
}

/** @param behind the services that select it.
 *  @param called what the outbound addresses are for, in their order. */
function workloadOf(
  { key, object, addresses }: Instance,
  behind: readonly MeshService[],
  called: readonly (MeshService | undefined)[],
  capture: CompileInput['capture'],
): Workload {
  const { labels, namespace } = object.metadata
  return {
    namespace,
    name: key.slice(namespace.length + 1),
    serviceAccount: object.spec.serviceAccount ?? 'default',
    labels,
    address: addresses.address,
    ports: portsOf(object, behind),
    locality: localityOfLabels(labels),
    ready: false,
    capture: capture === 'redirect' ? ISTIO_REDIRECT : boundCapture(addresses, called),
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
      protocol: commonProtocol(targeting) ?? protocolOf({ name, appProtocol: undefined, number: containerPort }) ?? 'auto',
      tls: UNDECIDED,
      services: here.map(({ hostname, name, namespace }) => ({ hostname, name, namespace })),
    })
  }
  return ports.sort((a, b) => a.number - b.number)
}

export function targets(port: ServicePort, name: string, number: number): boolean {
  return typeof port.targetPort === 'number' ? port.targetPort === number : port.targetPort === name || port.targetPort === String(number)
}

/** Services that disagree are told apart by the first bytes. */
function commonProtocol(ports: readonly ServicePort[]): Protocol | undefined {
  const protocols = new Set(ports.map((port) => port.protocol))
  return protocols.size <= 1 ? ports[0]?.protocol : 'auto'
}

function boundCapture(addresses: WorkloadAddresses, called: readonly (MeshService | undefined)[]): Capture {
  const outbound = addresses.outbound.flatMap(({ port, listen }, index) => {
    const service = called[index]
    return service?.ports.some((each) => each.number === port) === true ? [{ hostname: service.hostname, port, listen }] : []
  })
  const inbound = addresses.inbound.map(({ containerPort, listen, application }) => ({ port: containerPort, listen, application }))
  const { httpProxy } = addresses
  return { kind: 'bind', inbound, outbound, httpProxy: httpProxy.port === 0 ? undefined : httpProxy }
}
