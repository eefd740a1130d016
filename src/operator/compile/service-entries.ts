// ServiceEntries become names that clients can call: one service per host. After services, whose names win.
// Invariants: a host has one owner per namespace, the oldest; what is outside of the mesh is never called with its identities.
import { isIP } from 'node:net'
import { type Finding, finding } from '../../api/finding.ts'
import type { ServiceEntry, WorkloadEntry } from '../../api/generated/service-entry.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { describeOrigin } from '../../model/origin.ts'
import { type MeshService, parseLocality, type Resolution, type ServicePort } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import { byAge, type FixedEndpoint, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { protocolOf, protocolOfWord } from './protocol.ts'
import { Remembered } from './remembered.ts'
import { visibilityOf } from './visibility.ts'

export const serviceEntries = definePass({
  kinds: ['ServiceEntry'],
  reads: ['services', 'selectors'],
  create: () => {
    const compiled = new Remembered(compileEntry)
    return ({ objects, draft, settings, capture }) => {
      const compile = compiled.round()
      const known: Known = { services: new Map(draft.services), selectors: new Map(draft.selectors), fixedEndpoints: new Map() }
      const findings = [...objects.ServiceEntry.values()].sort(byAge).flatMap((entry) => {
        const made = compile(keyOf(entry), entry, settings, capture)
        return [...made.hosts.flatMap((host) => addHost(entry, host, known)), ...made.findings]
      })
      return { ...known, findings }
    }
  },
})

/** Names that have an owner already. */
interface Known {
  readonly services: Map<string, MeshService>
  readonly selectors: Map<string, Readonly<Record<string, string>>>
  readonly fixedEndpoints: Map<string, readonly FixedEndpoint[]>
}

interface CompiledEntry {
  readonly hosts: readonly CompiledHost[]
  readonly findings: readonly Finding[]
}

interface CompiledHost {
  readonly hostname: string
  /** `spec.hosts[1]`. */
  readonly path: string
  /** Undefined: there is no way to know where its requests should go. */
  readonly service: MeshService | undefined
  readonly endpoints: CompiledEndpoints
}

/** Those that the entry lists, or what selects them. */
type CompiledEndpoints =
  | { readonly kind: 'listed'; readonly list: readonly FixedEndpoint[] }
  | { readonly kind: 'selected'; readonly labels: Readonly<Record<string, string>> }

function compileEntry(entry: ServiceEntry, settings: MeshSettings, capture: CompileInput['capture']): CompiledEntry {
  const { spec } = entry
  if (spec.resolution === 'DYNAMIC_DNS') {
    return { hosts: [], findings: [finding('LTN0102', entry, 'spec.resolution', { field: 'DYNAMIC_DNS' })] }
  }
  const ports = portsOf(entry)
  const own = new Set<string>()
  const hosts = spec.hosts.flatMap((written, index): readonly CompiledHost[] => {
    const hostname = written.toLowerCase()
    if (own.has(hostname)) return []
    own.add(hostname)
    const resolution = resolutionOf(entry, hostname, capture)
    return [
      {
        hostname,
        path: `spec.hosts[${index}]`,
        service: resolution === undefined ? undefined : serviceOf(entry, hostname, ports, resolution, settings),
        endpoints: endpointsOf(entry, hostname, resolution),
      },
    ]
  })
  return { hosts, findings: unusableEndpoints(entry) }
}

/** Unless somebody older has the name. */
function addHost(entry: ServiceEntry, { hostname, path, service, endpoints }: CompiledHost, known: Known): readonly Finding[] {
  const key = serviceKey(known, hostname, entry.metadata.namespace)
  const winner = known.services.get(key)
  if (winner !== undefined) {
    return [finding('LTN0205', entry, path, { what: `host '${hostname}'`, winner: describeOrigin(winner.origin) })]
  }
  if (service === undefined) return [finding('LTN0102', entry, path, { field: 'a wildcard without the original destination' })]
  known.services.set(key, service)
  if (endpoints.kind === 'selected') known.selectors.set(key, endpoints.labels)
  else known.fixedEndpoints.set(key, endpoints.list)
  return []
}

/** The host, unless another namespace has it already: each namespace may have its own idea of a name of the outside world. */
function serviceKey({ services }: Known, hostname: string, namespace: string): string {
  const first = services.get(hostname)
  return first === undefined || first.namespace === namespace || first.hasShortNames ? hostname : `${hostname}@${namespace}`
}

/** Undefined: there is no way to know where requests should go. */
function resolutionOf({ spec }: ServiceEntry, hostname: string, capture: CompileInput['capture']): Resolution | undefined {
  if (spec.resolution === 'STATIC') return 'endpoints'
  if (spec.resolution === 'DNS') return 'dns'
  if (spec.resolution === 'DNS_ROUND_ROBIN') return 'logical-dns'
  if (capture === 'redirect') return 'passthrough'
  // Without a redirect there is no original destination, only the name that the client called.
  return hostname.includes('*') ? undefined : 'logical-dns'
}

function serviceOf(
  entry: ServiceEntry,
  hostname: string,
  ports: readonly ServicePort[],
  resolution: Resolution,
  settings: MeshSettings,
): MeshService {
  const { spec, metadata } = entry
  return {
    hostname,
    name: hostname,
    namespace: metadata.namespace,
    ports,
    addresses: spec.addresses ?? [],
    resolution,
    isExternal: spec.location !== 'MESH_INTERNAL',
    hasShortNames: false,
    subjectAltNames: spec.subjectAltNames ?? [],
    visibility: visibilityOf(spec.exportTo, metadata.namespace, settings.defaultExportTo.service),
    origin: originOf(entry),
  }
}

function portsOf({ spec }: ServiceEntry): readonly ServicePort[] {
  const seen = new Set<number>()
  return (spec.ports ?? []).flatMap(({ name, number, protocol, targetPort }) => {
    if (seen.has(number) || protocol?.toUpperCase() === 'UDP') return []
    seen.add(number)
    const said = protocolOfWord(protocol) ?? protocolOf({ name, appProtocol: undefined, number })
    return [{ name, number, targetPort: targetPort ?? number, protocol: said ?? 'auto' }]
  })
}

function endpointsOf({ spec, metadata }: ServiceEntry, hostname: string, resolution: Resolution | undefined): CompiledEndpoints {
  const labels = spec.workloadSelector?.labels ?? {}
  if (Object.keys(labels).length > 0) return { kind: 'selected', labels }
  const isByName = resolution === 'dns' || resolution === 'logical-dns'
  const listed = (spec.endpoints ?? []).filter(({ address = '' }) => isUsable(address, isByName))
  const own: readonly WorkloadEntry[] = isByName && listed.length === 0 ? [{ address: hostname }] : listed
  // Envoy: a logical DNS cluster has exactly one name.
  const used = resolution === 'logical-dns' ? own.slice(0, 1) : own
  return { kind: 'listed', list: used.map((each) => fixedEndpointOf(each, metadata)) }
}

function isUsable(address: string, isByName: boolean): boolean {
  return address !== '' && !address.startsWith('unix:') && (isByName || isIP(address) !== 0)
}

export function fixedEndpointOf(
  { address = '', ports, labels, locality, weight, serviceAccount }: WorkloadEntry,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): FixedEndpoint {
  return {
    name,
    namespace,
    address,
    ports: ports ?? {},
    labels: labels ?? {},
    locality: parseLocality(locality ?? ''),
    weight: weight === undefined || weight < 1 ? 1 : weight,
    serviceAccount: serviceAccount === '' ? undefined : serviceAccount,
  }
}

function unusableEndpoints(entry: ServiceEntry): readonly Finding[] {
  return (entry.spec.endpoints ?? []).flatMap(({ address = '' }, index) =>
    address.startsWith('unix:')
      ? [finding('LTN0102', entry, `spec.endpoints[${index}].address`, { field: 'a unix socket' })]
      : address === ''
        ? [finding('LTN0102', entry, `spec.endpoints[${index}]`, { field: 'an endpoint without an address' })]
        : [],
  )
}
