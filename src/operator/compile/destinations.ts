// The weighted destinations of one http entry, with names resolved. Called by http-routes.ts.
// Invariant: a destination that does not exist stays in the list and gets a Finding: its share of requests is answered 503 (no cluster)
// as in Istio, instead of going where the user did not send it.
import { type Finding, finding } from '../../api/finding.ts'
import type { Destination, HTTPRoute, VirtualService } from '../../api/generated/virtual-service.gen.ts'
import type { MeshService } from '../../model/service.ts'
import type { WeightedDestination } from '../../model/traffic-route.ts'
import type { CompileInput } from './compile-input.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import type { MeshDraft } from './mesh-draft.ts'

const MAX_TOTAL_WEIGHT = 0xffff_ffff

export interface CompiledDestinations {
  readonly destinations: readonly WeightedDestination[]
  readonly findings: readonly Finding[]
}

export function destinationsOf(
  object: VirtualService,
  entry: HTTPRoute,
  field: string,
  draft: MeshDraft,
  input: CompileInput,
): CompiledDestinations {
  const findings: Finding[] = []
  const destinations: WeightedDestination[] = []
  const entries = entry.route ?? []
  for (const [index, { destination, weight }] of entries.entries()) {
    const host = resolveHost(destination.host, object.metadata.namespace, input.settings)
    const path = `${field}.route[${index}].destination`
    findings.push(...findingsOf(object, destination, host, path, draft))
    // A lone destination takes everything whatever its weight; among several, the weightless take nothing.
    const share = entries.length === 1 ? 1 : Math.max(0, weight ?? 0)
    if (share === 0) continue
    destinations.push({
      host,
      port: portOf(destination, draft.services.get(host)),
      subset: destination.subset === '' ? undefined : destination.subset,
      weight: share,
    })
  }
  return { destinations: withinLimit(destinations), findings }
}

/** Weights of one route sum up to a 32-bit number on the wire. */
function withinLimit(destinations: readonly WeightedDestination[]): readonly WeightedDestination[] {
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0)
  if (total <= MAX_TOTAL_WEIGHT) return destinations
  const divisor = Math.ceil(total / MAX_TOTAL_WEIGHT) + 1
  return destinations.map((each) => ({ ...each, weight: Math.max(1, Math.floor(each.weight / divisor)) }))
}

/** The port said, else the only one, else whichever the client called. */
function portOf(destination: Destination, service: MeshService | undefined): number | undefined {
  return destination.port?.number ?? (service?.ports.length === 1 ? service.ports[0]?.number : undefined)
}

function findingsOf(object: VirtualService, destination: Destination, host: string, path: string, draft: MeshDraft): readonly Finding[] {
  const service = draft.services.get(host)
  if (service === undefined) {
    const suggestion = didYouMean(destination.host, host, draft.services.keys())
    return [finding('LTN0201', object, `${path}.host`, { host: destination.host, suggestion })]
  }
  return [...portFindings(object, destination, service, path), ...subsetFindings(object, destination, host, path, draft)]
}

function portFindings(object: VirtualService, destination: Destination, service: MeshService, path: string): readonly Finding[] {
  const ports = service.ports.map(({ number }) => number).join(', ')
  const port = destination.port?.number
  if (port === undefined) {
    return service.ports.length > 1 ? [finding('LTN0203', object, path, { host: destination.host, ports })] : []
  }
  if (service.ports.some(({ number }) => number === port)) return []
  return [finding('LTN0209', object, `${path}.port.number`, { host: destination.host, port, ports })]
}

function subsetFindings(
  object: VirtualService,
  destination: Destination,
  host: string,
  path: string,
  draft: MeshDraft,
): readonly Finding[] {
  const { subset } = destination
  const subsets = (draft.policies.get(host)?.subsets ?? []).map(({ name }) => name)
  if (subset === undefined || subset === '' || subsets.includes(subset)) return []
  const suggestion = subsets.length === 0 ? '' : `; there are: ${subsets.join(', ')}`
  return [finding('LTN0202', object, `${path}.subset`, { host: destination.host, subset, suggestion })]
}
