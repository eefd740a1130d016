// ServiceEntries become names that clients can call: one service per host. After services, whose names win.
// Invariants: a host has one owner per namespace, the oldest; what is outside of the mesh is never called with its identities.
import { isIP } from 'node:net'
import { type Finding, finding } from '../../api/finding.ts'
import type { ServiceEntry, WorkloadEntry } from '../../api/generated/service-entry.gen.ts'
import { describeOrigin } from '../../model/origin.ts'
import { type MeshService, parseLocality, type Resolution, type ServicePort } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import { byAge, type FixedEndpoint, type MeshDraft, originOf } from './mesh-draft.ts'
import { protocolOf, protocolOfWord } from './protocol.ts'
import { visibilityOf } from './visibility.ts'

export function serviceEntries(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  return [...input.state.objects.ServiceEntry.values()].sort(byAge).flatMap((entry) => addEntry(entry, draft, input))
}

function addEntry(entry: ServiceEntry, draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  const { spec } = entry
  if (spec.resolution === 'DYNAMIC_DNS') return [finding('LTN0102', entry, 'spec.resolution', { field: 'DYNAMIC_DNS' })]
  const ports = portsOf(entry)
  const own = new Set<string>()
  for (const [index, written] of spec.hosts.entries()) {
    const hostname = written.toLowerCase()
    if (own.has(hostname)) continue
    own.add(hostname)
    const path = `spec.hosts[${index}]`
    const key = serviceKey(draft, hostname, entry.metadata.namespace)
    const winner = draft.services.get(key)
    if (winner !== undefined) {
      findings.push(finding('LTN0205', entry, path, { what: `host '${hostname}'`, winner: describeOrigin(winner.origin) }))
      continue
    }
    const resolution = resolutionOf(entry, hostname, input)
    if (resolution === undefined) {
      findings.push(finding('LTN0102', entry, path, { field: 'a wildcard without the original destination' }))
      continue
    }
    draft.services.set(key, serviceOf(entry, hostname, ports, resolution, input))
    addEndpoints(key, entry, hostname, resolution, draft)
  }
  findings.push(...unusableEndpoints(entry))
  return findings
}

/** The host, unless another namespace has it already: each namespace may have its own idea of a name of the outside world. */
function serviceKey(draft: MeshDraft, hostname: string, namespace: string): string {
  const first = draft.services.get(hostname)
  return first === undefined || first.namespace === namespace || first.hasShortNames ? hostname : `${hostname}@${namespace}`
}

/** Undefined: there is no way to know where requests should go. */
function resolutionOf({ spec }: ServiceEntry, hostname: string, input: CompileInput): Resolution | undefined {
  if (spec.resolution === 'STATIC') return 'endpoints'
  if (spec.resolution === 'DNS') return 'dns'
  if (spec.resolution === 'DNS_ROUND_ROBIN') return 'logical-dns'
  if (input.capture === 'redirect') return 'passthrough'
  // Without a redirect there is no original destination, only the name that the client called.
  return hostname.includes('*') ? undefined : 'logical-dns'
}

function serviceOf(
  entry: ServiceEntry,
  hostname: string,
  ports: readonly ServicePort[],
  resolution: Resolution,
  input: CompileInput,
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
    visibility: visibilityOf(spec.exportTo, metadata.namespace, input.settings.defaultExportTo.service),
    origin: originOf(entry),
  }
}

function portsOf({ spec }: ServiceEntry): readonly ServicePort[] {
  const seen = new Set<number>()
  return (spec.ports ?? []).flatMap(({ name, number, protocol, targetPort }) => {
    if (seen.has(number) || protocol?.toUpperCase() === 'UDP') return []
    seen.add(number)
    const said = protocolOfWord(protocol) ?? protocolOf({ name, appProtocol: undefined, number })
    return [{ name, number, targetPort: targetPort ?? number, protocol: said ?? 'tcp' }]
  })
}

function addEndpoints(key: string, entry: ServiceEntry, hostname: string, resolution: Resolution, draft: MeshDraft): void {
  const { spec, metadata } = entry
  const labels = spec.workloadSelector?.labels ?? {}
  if (Object.keys(labels).length > 0) {
    draft.selectors.set(key, labels)
    return
  }
  const isByName = resolution === 'dns' || resolution === 'logical-dns'
  const listed = (spec.endpoints ?? []).filter(({ address = '' }) => isUsable(address, isByName))
  const own: readonly WorkloadEntry[] = isByName && listed.length === 0 ? [{ address: hostname }] : listed
  // Envoy: a logical DNS cluster has exactly one name.
  const used = resolution === 'logical-dns' ? own.slice(0, 1) : own
  draft.fixedEndpoints.set(
    key,
    used.map((each) => fixedEndpointOf(each, metadata)),
  )
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
