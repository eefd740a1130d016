// Running copies become workloads of the mesh: identity, ports with their protocols, how traffic reaches the sidecar. After selection.
// Invariant: until peer-authentication has run, every port is 'permissive', and until readiness.ts has, nobody answers; nothing is generated
// before that.
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import { type MeshSettings, serviceHostname } from '../../model/mesh-settings.ts'
import type { MeshService, Protocol, ServicePort } from '../../model/service.ts'
import { type Capture, EXPLICIT_PROXY, ISTIO_REDIRECT, type ServerTls, type Workload, type WorkloadPort } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import { hasPort, type Instance, type InstancePort } from './instance.ts'
import { valuesOf } from './mesh-draft.ts'
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
            : (instance.plan?.outbound ?? []).map(({ service }) => draft.services.get(hostnameOf(service, settings)))
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
  instance: Instance,
  behind: readonly MeshService[],
  called: readonly (MeshService | undefined)[],
  capture: CompileInput['capture'],
): Workload {
  const { namespace, name, workloadName, serviceAccount, labels, addresses, locality, hasProxy, isGateway, isTerminating, origin } =
    instance
  const [address = '', ...otherAddresses] = addresses
  return {
    ...{ namespace, name, workloadName, serviceAccount, labels, address, locality, hasProxy, origin },
    ...(otherAddresses.length === 0 ? {} : { otherAddresses }),
    ...(isGateway ? { isGateway } : {}),
    ...(isTerminating ? { isTerminating } : {}),
    ports: portsOf(instance, behind),
    ready: false,
    capture: captureOf(instance, called, capture),
    otherPortsTls: UNDECIDED,
    denials: [],
  }
}

function portsOf(instance: Instance, behind: readonly MeshService[]): readonly WorkloadPort[] {
  const ports: WorkloadPort[] = []
  for (const { name, number } of candidatePorts(instance, behind)) {
    const here = behind.filter((service) => service.ports.some((port) => targets(port, name, number)))
    if (here.length === 0 && instance.hasUndeclaredPorts) continue
    const targeting = here.flatMap((service) => service.ports.filter((port) => targets(port, name, number)))
    ports.push({
      name,
      number,
      protocol: commonProtocol(targeting) ?? protocolOf({ name, appProtocol: undefined, number }) ?? 'auto',
      tls: UNDECIDED,
      ...(hasPort(instance.uncaptured, number) ? { bypassesProxy: true } : {}),
      services: here.map(({ hostname, name, namespace }) => ({ hostname, name, namespace })),
    })
  }
  return ports.sort((a, b) => a.number - b.number)
}

/** Each number once: as it is declared, else as a service means it. */
function candidatePorts({ ports, hasUndeclaredPorts }: Instance, behind: readonly MeshService[]): readonly InstancePort[] {
  const byNumber = new Map<number, InstancePort>()
  for (const port of ports) if (!byNumber.has(port.number)) byNumber.set(port.number, port)
  if (!hasUndeclaredPorts) return [...byNumber.values()]
  for (const { targetPort } of behind.flatMap((service) => service.ports)) {
    const number = Number(targetPort)
    if (Number.isInteger(number) && !byNumber.has(number)) byNumber.set(number, { name: '', number })
  }
  return [...byNumber.values()]
}

export function targets(port: ServicePort, name: string, number: number): boolean {
  return typeof port.targetPort === 'number' ? port.targetPort === number : port.targetPort === name || port.targetPort === String(number)
}

/** Services that disagree are told apart by the first bytes. */
function commonProtocol(ports: readonly ServicePort[]): Protocol | undefined {
  const protocols = new Set(ports.map((port) => port.protocol))
  return protocols.size <= 1 ? ports[0]?.protocol : 'auto'
}

function captureOf(
  { usesHttpProxy, plan }: Instance,
  called: readonly (MeshService | undefined)[],
  mode: CompileInput['capture'],
): Capture {
  if (usesHttpProxy === true) return EXPLICIT_PROXY
  return mode === 'redirect' || plan === undefined ? ISTIO_REDIRECT : boundCapture(plan, called)
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
