// Gives every workload, and every service as each workload calls it, an address on this machine. Pure: objects, earlier assignments and
// options in; plan and assignments out. Called by the control plane on every change of the directory; the state folder keeps the result.
// Invariant: an address once given stays given. Adding or removing a workload renumbers no other, or a running application would call
// an address that has become another service's.
import type { Problem } from '../base/result.ts'
import type { AddressPlan, HostPort, InboundAddress, OutboundAddress, WorkloadAddresses } from '../model/address-plan.ts'

export type AddressStrategy = AddressPlan['strategy']

/** One instance of a LocalWorkload. */
export interface PlannedWorkload {
  readonly namespace: string
  readonly name: string
  /** Name of the LocalWorkload. */
  readonly workload: string
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  /** Services that this workload's sidecar offers on 127.0.0.1 to people and browsers. */
  readonly publish: readonly { readonly service: string; readonly port: number; readonly hostPort: number }[]
}

export interface PlannedService {
  readonly namespace: string
  readonly name: string
  readonly ports: readonly { readonly port: number }[]
}

/** What must survive a restart: numbers given out, by key. */
export interface Assignments {
  readonly workloads: Readonly<Record<string, number>>
  readonly services: Readonly<Record<string, number>>
  readonly ports: Readonly<Record<string, number>>
}

export const NO_ASSIGNMENTS: Assignments = { workloads: {}, services: {}, ports: {} }

export interface AddressOptions {
  readonly strategy: AddressStrategy
  /** This mesh's number among those of the machine, 1 to 40: the second octet of its addresses and its block of ports. */
  readonly mesh: number
  /** Ports that another program holds: never given out anew. */
  readonly unavailablePorts: ReadonlySet<number>
  /** Below it only root may listen; such a port is moved up by 20000. */
  readonly firstUnprivilegedPort: number
}

export interface PlannedAddresses {
  readonly plan: AddressPlan
  readonly assignments: Assignments
  readonly problems: readonly Problem[]
}

export const MAX_MESHES = 40
/** Octets of 127.<mesh>.<workload>.<1 + service>. */
const MAX_INDEX = 253
const PORTS_PER_MESH = 500
/** Below Linux' ephemeral range (32768), so that an outgoing connection does not take a planned port. */
const FIRST_PORT = 12_000
/** The last port of each block is never given out: holding it is holding the mesh's number. */
export function meshLockPort(mesh: number): number {
  return FIRST_PORT + mesh * PORTS_PER_MESH - 1
}

/** Where proxies find the control plane. Not a port of the ephemeral range: while a killed control plane is away, an outgoing connection
 *  could take that, and the one that comes back would have to listen where nobody looks for it. */
export function controlPlanePort(mesh: number): number {
  return meshLockPort(mesh) - 1
}

/** Of a block, what is left for applications, published services and sidecars. */
const GIVEN_PORTS = PORTS_PER_MESH - 2

const SIDECAR_PORTS = { admin: 15_000, httpProxy: 15_001, health: 15_021, metrics: 15_090 } as const

export function planAddresses(
  workloads: readonly PlannedWorkload[],
  services: readonly PlannedService[],
  earlier: Assignments,
  options: AddressOptions,
): PlannedAddresses {
  const sortedWorkloads = [...workloads].sort(byKey)
  const sortedServices = [...services].sort(byKey)
  const problems: Problem[] = []
  const given = { workloads: { ...earlier.workloads }, services: { ...earlier.services } }
  const ports = new PortBook(earlier.ports, options)
  number(given.workloads, sortedWorkloads, 'workloads', problems)
  number(given.services, sortedServices, 'services', problems)
  const planned: Record<string, WorkloadAddresses> = {}
  for (const workload of sortedWorkloads) {
    const index = given.workloads[keyOf(workload)]
    if (index === undefined) continue
    const place =
      options.strategy === 'loopback' ? new LoopbackPlace(workload, index, given.services, ports, options) : new PortsPlace(workload, ports)
    planned[keyOf(workload)] = addressesOf(workload, sortedServices, place, problems)
  }
  problems.push(...ports.problems, ...publishedTwice(planned))
  return { plan: { strategy: options.strategy, workloads: planned }, assignments: { ...given, ports: ports.given }, problems }
}

export function keyOf(object: { readonly namespace: string; readonly name: string }): string {
  return `${object.namespace}/${object.name}`
}

/** Where one workload's sockets are; undefined when there is no room left (a problem says so). */
interface Place {
  readonly address: string
  sidecar(purpose: keyof typeof SIDECAR_PORTS): HostPort | undefined
  inbound(containerPort: number): HostPort | undefined
  application(containerPort: number): HostPort | undefined
  outbound(service: string, port: number): HostPort | undefined
}

function addressesOf(workload: PlannedWorkload, services: readonly PlannedService[], place: Place, problems: Problem[]): WorkloadAddresses {
  const nowhere: HostPort = { host: place.address, port: 0 }
  const inbound: InboundAddress[] = []
  for (const { name, containerPort } of workload.ports) {
    const listen = place.inbound(containerPort)
    const application = place.application(containerPort)
    if (listen !== undefined && application !== undefined) inbound.push({ name, containerPort, listen, application })
  }
  const outbound: OutboundAddress[] = []
  for (const service of services) {
    for (const { port } of service.ports) {
      const listen = place.outbound(keyOf(service), port)
      if (listen !== undefined) outbound.push({ service: keyOf(service), port, listen, published: false })
    }
  }
  outbound.push(...publishedOf(workload, services, problems))
  return {
    workload: `${workload.namespace}/${workload.workload}`,
    address: place.address,
    admin: place.sidecar('admin') ?? nowhere,
    health: place.sidecar('health') ?? nowhere,
    metrics: place.sidecar('metrics') ?? nowhere,
    httpProxy: place.sidecar('httpProxy') ?? nowhere,
    inbound,
    outbound,
  }
}

function publishedOf(workload: PlannedWorkload, services: readonly PlannedService[], problems: Problem[]): OutboundAddress[] {
  return workload.publish.flatMap(({ service, port, hostPort }, index) => {
    const key = service.includes('/') ? service : `${workload.namespace}/${service}`
    const found = services.find((each) => keyOf(each) === key)
    if (found?.ports.some((each) => each.port === port) === true) {
      return [{ service: key, port, listen: { host: '127.0.0.1', port: hostPort }, published: true }]
    }
    problems.push({
      path: `LocalWorkload ${keyOf(workload)} spec.publish[${index}]`,
      message: found === undefined ? `there is no Service ${key}` : `Service ${key} has no port ${port}`,
    })
    return []
  })
}

function publishedTwice(planned: Readonly<Record<string, WorkloadAddresses>>): Problem[] {
  const owners = new Map<number, string>()
  const problems: Problem[] = []
  for (const [workload, { outbound }] of Object.entries(planned)) {
    for (const { listen } of outbound.filter((each) => each.published)) {
      const owner = owners.get(listen.port)
      if (owner !== undefined)
        problems.push({ path: `LocalWorkload ${workload} spec.publish`, message: `${owner} publishes port ${listen.port} already` })
      owners.set(listen.port, workload)
    }
  }
  return problems
}

/** Loopback aliases: every address under 127.0.0.0/8 is there on Linux without root and without set-up. */
class LoopbackPlace implements Place {
  readonly address: string
  readonly #workload: PlannedWorkload
  readonly #prefix: string
  readonly #services: Readonly<Record<string, number>>
  readonly #ports: PortBook
  readonly #firstUnprivilegedPort: number

  constructor(
    workload: PlannedWorkload,
    index: number,
    services: Readonly<Record<string, number>>,
    ports: PortBook,
    options: AddressOptions,
  ) {
    this.#workload = workload
    this.#prefix = `127.${options.mesh}.${index}`
    this.#services = services
    this.#ports = ports
    this.#firstUnprivilegedPort = options.firstUnprivilegedPort
    this.address = `${this.#prefix}.1`
  }

  sidecar(purpose: keyof typeof SIDECAR_PORTS): HostPort {
    return { host: this.address, port: SIDECAR_PORTS[purpose] }
  }

  inbound(containerPort: number): HostPort {
    return { host: this.address, port: this.#allowed(containerPort) }
  }

  application(containerPort: number): HostPort | undefined {
    return this.#ports.take(`application ${keyOf(this.#workload)} ${containerPort}`)
  }

  outbound(service: string, port: number): HostPort | undefined {
    const index = this.#services[service]
    return index === undefined ? undefined : { host: `${this.#prefix}.${index + 1}`, port: this.#allowed(port) }
  }

  #allowed(port: number): number {
    return port < this.#firstUnprivilegedPort ? port + 20_000 : port
  }
}

/** 127.0.0.1 with a port for everything: macOS has no loopback aliases without root. */
class PortsPlace implements Place {
  readonly address = '127.0.0.1'
  readonly #key: string
  readonly #ports: PortBook

  constructor(workload: PlannedWorkload, ports: PortBook) {
    this.#key = keyOf(workload)
    this.#ports = ports
  }

  sidecar(purpose: keyof typeof SIDECAR_PORTS): HostPort | undefined {
    return this.#ports.take(`${purpose} ${this.#key}`)
  }

  inbound(containerPort: number): HostPort | undefined {
    return this.#ports.take(`inbound ${this.#key} ${containerPort}`)
  }

  application(containerPort: number): HostPort | undefined {
    return this.#ports.take(`application ${this.#key} ${containerPort}`)
  }

  outbound(service: string, port: number): HostPort | undefined {
    return this.#ports.take(`outbound ${this.#key} ${service} ${port}`)
  }
}

/** The mesh's block of ports on 127.0.0.1, given out in order, each for one purpose for ever. */
class PortBook {
  readonly given: Record<string, number>
  readonly problems: Problem[] = []
  readonly #used: Set<number>
  readonly #unavailable: ReadonlySet<number>
  readonly #first: number
  #next: number

  constructor(earlier: Readonly<Record<string, number>>, options: AddressOptions) {
    this.given = { ...earlier }
    this.#used = new Set(Object.values(earlier))
    this.#unavailable = options.unavailablePorts
    this.#first = FIRST_PORT + (options.mesh - 1) * PORTS_PER_MESH
    this.#next = this.#first
  }

  take(purpose: string): HostPort | undefined {
    const known = this.given[purpose]
    if (known !== undefined) return { host: '127.0.0.1', port: known }
    while (this.#used.has(this.#next) || this.#unavailable.has(this.#next)) this.#next++
    if (this.#next >= this.#first + GIVEN_PORTS) {
      this.problems.push({
        path: purpose,
        message: `the mesh's ${GIVEN_PORTS} ports (${this.#first} and up) are used up; use --addresses loopback`,
      })
      return undefined
    }
    this.#used.add(this.#next)
    this.given[purpose] = this.#next
    return { host: '127.0.0.1', port: this.#next }
  }
}

/** The lowest free number for each newcomer, in order of names. Numbers of objects that went away stay theirs while there is room. */
function number(
  given: Record<string, number>,
  objects: readonly { readonly namespace: string; readonly name: string }[],
  what: string,
  problems: Problem[],
): void {
  const present = new Set(objects.map(keyOf))
  const used = new Set(Object.values(given))
  const gone = Object.keys(given)
    .filter((key) => !present.has(key))
    .reverse()
  let next = 1
  for (const key of [...present].filter((each) => given[each] === undefined)) {
    while (used.has(next)) next++
    if (next > MAX_INDEX) {
      const left = gone.pop()
      const freed = left === undefined ? undefined : given[left]
      if (left === undefined || freed === undefined) {
        problems.push({ path: key, message: `a standalone mesh has room for ${MAX_INDEX} ${what}; this one gets no address` })
        continue
      }
      delete given[left]
      given[key] = freed
      continue
    }
    used.add(next)
    given[key] = next
  }
}

function byKey(a: { readonly namespace: string; readonly name: string }, b: { readonly namespace: string; readonly name: string }): number {
  return keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0
}
