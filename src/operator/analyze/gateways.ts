// Gateways against each other and against the Service in front of their workloads.
import { type Finding, finding } from '../../api/finding.ts'
import type { Gateway, Server } from '../../api/generated/gateway.gen.ts'
import type { Service } from '../../api/generated/service.gen.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import { canonicalJson } from '../../base/content-hash.ts'
import { byAge } from '../compile/mesh-draft.ts'
import type { MeshFacts } from './mesh-facts.ts'

/** Same selector, address, port and host: the older Gateway has it. Compared by exact host: wildcards beside names are ordinary. */
export function gatewayConflicts({ state }: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const owners = new Map<string, Gateway>()
  for (const gateway of [...state.objects.Gateway.values()].sort(byAge)) {
    for (const [index, server] of (gateway.spec.servers ?? []).entries()) {
      for (const [place, host] of server.hosts.entries()) {
        const key = canonicalJson([gateway.spec.selector ?? {}, server.bind ?? '', server.port.number, host.toLowerCase()])
        const owner = owners.get(key)
        if (owner === undefined) owners.set(key, gateway)
        else if (owner !== gateway) findings.push(conflict(gateway, `spec.servers[${index}].hosts[${place}]`, host, server, owner))
      }
    }
  }
  return findings
}

function conflict(gateway: Gateway, path: string, host: string, { port }: Server, owner: Gateway): Finding {
  return finding('LTN0303', gateway, path, { host, port: port.number, winner: formatRef(refOf(owner)) })
}

const TRANSPORTS: Readonly<Record<string, 'http' | 'tls'>> = {
  HTTP: 'http',
  HTTP2: 'http',
  GRPC: 'http',
  'GRPC-WEB': 'http',
  HTTPS: 'tls',
  TLS: 'tls',
}

interface PortOwner {
  readonly gateway: Gateway
  readonly transport: 'http' | 'tls' | 'tcp'
  readonly hosts: Set<string>
}

/** On one address and port, all servers are plaintext HTTP, or all TLS with hosts of their own, or one is TCP: the first says which. */
export function gatewayServers({ state }: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const owners = new Map<string, PortOwner>()
  for (const gateway of [...state.objects.Gateway.values()].sort(byAge)) {
    for (const [index, { port, bind, hosts }] of (gateway.spec.servers ?? []).entries()) {
      const transport = TRANSPORTS[port.protocol.toUpperCase()] ?? 'tcp'
      const key = canonicalJson([gateway.spec.selector ?? {}, bind ?? '', port.number])
      const owner = owners.get(key) ?? { gateway, transport, hosts: new Set<string>() }
      const isFirst = !owners.has(key)
      owners.set(key, owner)
      const names = hosts.map((host) => host.slice(host.indexOf('/') + 1).toLowerCase())
      const problem = isFirst ? undefined : misfit(owner, transport, names)
      if (problem === undefined) for (const name of names) owner.hosts.add(name)
      else
        findings.push(
          finding('LTN0319', gateway, `spec.servers[${index}]`, { port: port.number, problem, winner: formatRef(refOf(owner.gateway)) }),
        )
    }
  }
  return findings
}

function misfit({ transport, hosts }: PortOwner, own: PortOwner['transport'], names: readonly string[]): string | undefined {
  if (transport !== own) return `it is ${SPOKEN[own]}, and the port is ${SPOKEN[transport]} already`
  if (own === 'tcp') return 'a port has one TCP server'
  return own === 'tls' && names.every((name) => hosts.has(name)) ? 'all of its hosts are served already' : undefined
}

const SPOKEN = { http: 'plaintext HTTP', tls: 'TLS', tcp: 'TCP' } as const

/** One certificate for hosts of two gateways: a browser sends requests for the second over its HTTP/2 connection to the first. */
export function sharedCertificates({ state }: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const users = new Map<string, Gateway>()
  for (const gateway of [...state.objects.Gateway.values()].sort(byAge)) {
    for (const [index, { tls }] of (gateway.spec.servers ?? []).entries()) {
      const certificate = tls?.credentialName ?? ''
      if (certificate === '') continue
      const key = canonicalJson([gateway.spec.selector ?? {}, certificate])
      const user = users.get(key)
      if (user === undefined) users.set(key, gateway)
      else if (user !== gateway) {
        const path = `spec.servers[${index}].tls.credentialName`
        findings.push(finding('LTN0304', gateway, path, { certificate, other: formatRef(refOf(user)) }))
      }
    }
  }
  return findings
}

/** The Services that select the same workloads as the Gateway must open its ports, or nobody from outside gets there. */
export function gatewayPorts({ state }: MeshFacts): readonly Finding[] {
  const services = servicesByLabel([...state.objects.Service.values()])
  return [...state.objects.Gateway.values()].flatMap((gateway) => {
    const inFront = servicesInFront(gateway, services)
    if (inFront.length === 0) return []
    const open = new Set(inFront.flatMap(({ spec }) => (spec.ports ?? []).flatMap(({ port, targetPort }) => [port, targetPort ?? port])))
    return (gateway.spec.servers ?? []).flatMap(({ port, bind }, index) => {
      if (open.has(port.number) || bind?.startsWith('unix://') === true) return []
      const names = inFront.map((service) => formatRef(refOf(service))).join(', ')
      return [finding('LTN0305', gateway, `spec.servers[${index}].port.number`, { port: port.number, services: names })]
    })
  })
}

function servicesByLabel(services: readonly Service[]): ReadonlyMap<string, readonly Service[]> {
  return Map.groupBy(
    services.filter(({ spec }) => Object.keys(spec.selector ?? {}).length > 0),
    ({ spec }) => Object.entries(spec.selector ?? {})[0]?.join('=') ?? '',
  )
}

function servicesInFront(gateway: Gateway, services: ReadonlyMap<string, readonly Service[]>): readonly Service[] {
  const wanted = gateway.spec.selector ?? {}
  return Object.entries(wanted)
    .flatMap(([key, value]) => services.get(`${key}=${value}`) ?? [])
    .filter(({ spec }) => Object.entries(spec.selector ?? {}).every(([key, value]) => wanted[key] === value))
}
