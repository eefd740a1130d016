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
