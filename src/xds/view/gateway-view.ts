// What one gateway workload serves: the servers of all Gateways that select it, joined by address and port, and what is bound to each.
// Called by viewFor for nodes of type 'router'.
// Invariants: where servers do not go together on a port, the older Gateway has it; a TLS host has one server.
import type { GatewayRoute, GatewayServer, MeshGateway } from '../../model/gateway.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { MeshService } from '../../model/service.ts'
import { isVisibleTo } from '../../model/visibility.ts'
import type { Workload } from '../../model/workload.ts'

export interface GatewayView {
  /** In order of address and port. */
  readonly listeners: readonly GatewayListener[]
  readonly clientSecrets: ClientSecrets
}

/** Secrets of users that calling others takes, by name. */
export interface ClientSecrets {
  readonly pairs: readonly string[]
  readonly authorities: readonly string[]
}

export interface GatewayListener {
  readonly bind: string
  /** The workload's own, behind the targetPort of its Service. */
  readonly port: number
  readonly kind: 'http' | 'tls' | 'tcp'
  /** Oldest gateway first. */
  readonly servers: readonly BoundServer[]
}

export interface BoundServer {
  readonly gateway: Pick<MeshGateway, 'name' | 'namespace' | 'origin'>
  readonly server: GatewayServer
  /** Oldest VirtualService first. */
  readonly routes: readonly GatewayRoute[]
}

const ANY_ADDRESS = '0.0.0.0'

/** On a machine of many workloads each has its own address, and its declared ports are where the address plan says. */
function placeOf(
  { bind, port }: GatewayServer,
  targets: ReadonlyMap<number, number>,
  { capture, address }: Workload,
): Pick<GatewayListener, 'bind' | 'port'> {
  if (capture.kind !== 'bind') return { bind: bind ?? ANY_ADDRESS, port: targets.get(port) ?? port }
  const declared = capture.inbound.find((own) => own.port === port)
  return { bind: bind ?? address, port: targets.get(port) ?? (bind === undefined ? declared?.listen.port : undefined) ?? port }
}

export function gatewayViewFor(snapshot: MeshSnapshot, workload: Workload, clientSecrets: ClientSecrets): GatewayView {
  const ports = targetPorts(snapshot, workload)
  const listeners = new Map<string, GatewayListener>()
  for (const gateway of selecting(snapshot, workload)) {
    const { name, namespace, origin } = gateway
    const routes = (snapshot.gatewayRoutes.get(`${namespace}/${name}`) ?? []).filter(({ visibility }) =>
      isVisibleTo(visibility, workload.namespace),
    )
    for (const server of gateway.servers) {
      const listener = { ...placeOf(server, ports, workload), kind: kindOf(server) }
      const key = `${listener.bind} ${listener.port}`
      const bound: BoundServer = { gateway: { name, namespace, origin }, server, routes }
      const joined = join(listeners.get(key) ?? { ...listener, servers: [] }, listener.kind, bound)
      if (joined !== undefined) listeners.set(key, joined)
    }
  }
  return {
    listeners: [...listeners.values()].sort((a, b) => a.port - b.port || (a.bind < b.bind ? -1 : 1)),
    clientSecrets,
  }
}

function selecting(snapshot: MeshSnapshot, { labels }: Workload): readonly MeshGateway[] {
  return [...snapshot.gateways.values()]
    .filter(({ selector }) => Object.entries(selector).every(([key, value]) => labels[key] === value))
    .sort((a, b) => compare(a.createdAt, b.createdAt) || compare(a.name, b.name) || compare(a.namespace, b.namespace))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function kindOf({ protocol }: GatewayServer): GatewayListener['kind'] {
  return protocol === 'https' ? 'tls' : protocol
}

/** Undefined: the server does not go together with what is there. */
function join(listener: GatewayListener, kind: GatewayListener['kind'], bound: BoundServer): GatewayListener | undefined {
  if (listener.kind !== kind || (kind === 'tcp' && listener.servers.length > 0)) return undefined
  if (kind !== 'tls') return { ...listener, servers: [...listener.servers, bound] }
  const taken = new Set(listener.servers.flatMap(({ server }) => server.hosts.map(({ host }) => host)))
  const hosts = bound.server.hosts.filter(({ host }) => !taken.has(host))
  return hosts.length === 0 ? undefined : { ...listener, servers: [...listener.servers, { ...bound, server: { ...bound.server, hosts } }] }
}

/** Service port to the workload's port, of the Services in front of it; whether the workload is ready yet changes nothing. */
function targetPorts({ services }: MeshSnapshot, { ports, capture }: Workload): ReadonlyMap<number, number> {
  const found = new Map<number, number>()
  for (const { name, number, services: behind } of ports) {
    const listen = capture.kind === 'bind' ? capture.inbound.find(({ port }) => port === number)?.listen.port : undefined
    for (const { port, targetPort } of behind.flatMap(({ hostname }) => portsOf(services.get(hostname)))) {
      const isThis = typeof targetPort === 'number' ? targetPort === number : targetPort === name || targetPort === String(number)
      if (isThis && !found.has(port)) found.set(port, listen ?? number)
    }
  }
  return found
}

function portsOf(service: MeshService | undefined): readonly { readonly port: number; readonly targetPort: number | string }[] {
  return (service?.ports ?? []).map(({ number, targetPort }) => ({ port: number, targetPort }))
}
