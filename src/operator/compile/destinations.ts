// The weighted destinations of one http entry, with names resolved. Called by http-routes.ts.
// Invariant: a destination that does not exist stays in the list and gets a Finding: its share of requests is answered 503 (no cluster)
// as in Istio, instead of going where the user did not send it.
import { type Finding, finding } from '../../api/finding.ts'
import type { HTTPRouteDestination, VirtualService, Destination as Written } from '../../api/generated/virtual-service.gen.ts'
import type { Destination, WeightedDestination } from '../../model/http-action.ts'
import type { MeshService } from '../../model/service.ts'
import { headerChanges } from './header-changes.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import type { Surroundings } from './surroundings.ts'

const MAX_TOTAL_WEIGHT = 0xffff_ffff

export interface CompiledDestinations {
  readonly destinations: readonly WeightedDestination[]
  readonly findings: readonly Finding[]
}

/** Where a list of destinations was written. */
export interface DestinationList {
  readonly object: VirtualService
  /** `spec.http[0]`. */
  readonly field: string
  readonly entries: readonly HTTPRouteDestination[]
}

export function destinationsOf({ object, field, entries }: DestinationList, around: Surroundings): CompiledDestinations {
  const findings: Finding[] = []
  const destinations: WeightedDestination[] = []
  for (const [index, { destination, weight, headers }] of entries.entries()) {
    const path = `${field}.route[${index}]`
    const resolved = destinationOf(destination, object.metadata.namespace, around)
    findings.push(...findingsOf(object, destination, resolved.host, `${path}.destination`, around))
    const { changes, authority, problems } = headerChanges(headers)
    for (const each of problems) {
      findings.push(finding('LTN0213', object, `${path}.headers.${each.path}`, { what: 'this header operation', problem: each.problem }))
    }
    // A lone destination takes everything whatever its weight; among several, the weightless take nothing.
    const share = entries.length === 1 ? 1 : Math.max(0, weight ?? 0)
    if (share === 0) continue
    destinations.push({
      ...resolved,
      weight: share,
      ...(changes === undefined ? {} : { headers: changes }),
      ...(authority === undefined ? {} : { authority }),
    })
  }
  return { destinations: withinLimit(destinations), findings }
}

export function destinationOf(written: Written, namespace: string, around: Surroundings): Destination {
  const host = resolveHost(written.host, namespace, around.settings)
  const subset = written.subset === '' ? undefined : written.subset
  return { host, port: portOf(written, around.service(host)), subset }
}

/** Weights of one route sum up to a 32-bit number on the wire. */
function withinLimit(destinations: readonly WeightedDestination[]): readonly WeightedDestination[] {
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0)
  if (total <= MAX_TOTAL_WEIGHT) return destinations
  const divisor = Math.ceil(total / MAX_TOTAL_WEIGHT) + 1
  return destinations.map((each) => ({ ...each, weight: Math.max(1, Math.floor(each.weight / divisor)) }))
}

/** The port said, else the only one, else whichever the client called. */
function portOf(destination: Written, service: MeshService | undefined): number | undefined {
  return destination.port?.number ?? (service?.ports.length === 1 ? service.ports[0]?.number : undefined)
}

function findingsOf(object: VirtualService, destination: Written, host: string, path: string, around: Surroundings): readonly Finding[] {
  const service = around.service(host)
  if (service === undefined) {
    const suggestion = didYouMean(destination.host, host, around.hostnames())
    return [finding('LTN0201', object, `${path}.host`, { host: destination.host, suggestion })]
  }
  return [...portFindings(object, destination, service, path, around), ...subsetFindings(object, destination, host, path, around)]
}

function portFindings(
  object: VirtualService,
  destination: Written,
  service: MeshService,
  path: string,
  around: Surroundings,
): readonly Finding[] {
  const ports = service.ports.map(({ number }) => number).join(', ')
  const port = destination.port?.number
  if (port === undefined) {
    const isClear = service.ports.length < 2 || isCalledAtItsPorts(object, service, around)
    return isClear ? [] : [finding('LTN0203', object, path, { host: destination.host, ports })]
  }
  if (service.ports.some(({ number }) => number === port)) return []
  return [finding('LTN0209', object, `${path}.port.number`, { host: destination.host, port, ports })]
}

/** Whoever calls the hosts at one of their ports means the same port here: nothing is left to say. A gateway's ports are its own. */
function isCalledAtItsPorts({ metadata, spec }: VirtualService, service: MeshService, around: Surroundings): boolean {
  const { hosts = [], gateways = ['mesh'] } = spec
  if (hosts.length === 0 || gateways.some((name) => name !== 'mesh')) return false
  return hosts.every((host) => {
    const called = around.service(resolveHost(host, metadata.namespace, around.settings))
    return called?.ports.every(({ number }) => service.ports.some((port) => port.number === number)) === true
  })
}

function subsetFindings(
  object: VirtualService,
  destination: Written,
  host: string,
  path: string,
  around: Surroundings,
): readonly Finding[] {
  const { subset } = destination
  const subsets = around.subsets(host)
  if (subset === undefined || subset === '' || subsets.includes(subset)) return []
  const suggestion = subsets.length === 0 ? '' : `; there are: ${subsets.join(', ')}`
  return [finding('LTN0202', object, `${path}.subset`, { host: destination.host, subset, suggestion })]
}
