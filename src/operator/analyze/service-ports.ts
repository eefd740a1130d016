// What several objects say of one port: Services in front of the same workload port, ServiceEntries of the same host.
import { type Finding, finding } from '../../api/finding.ts'
import type { Service } from '../../api/generated/service.gen.ts'
import type { ServiceEntry } from '../../api/generated/service-entry.gen.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import { byAge } from '../compile/mesh-draft.ts'
import { protocolOf } from '../compile/protocol.ts'
import { type KnownWorkload, type MeshFacts, selectorOf } from './mesh-facts.ts'

/** The workload's side can speak one protocol only, so it falls back to reading nothing: routes and policies for HTTP do not apply there. */
export function servicesOfOnePort(facts: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const said = new Map<string, { readonly service: Service; readonly protocol: string }>()
  for (const service of [...facts.state.objects.Service.values()].sort(byAge)) {
    const selector = selectorOf(service)
    if (selector === undefined) continue
    const behind = facts.selected(selector.labels, service.metadata.namespace)
    for (const [index, port] of (service.spec.ports ?? []).entries()) {
      const protocol = protocolOf({ name: port.name ?? '', appProtocol: port.appProtocol, number: port.port })
      if (protocol === undefined) continue
      const clash = claim(said, behind, String(port.targetPort ?? port.port), { service, protocol })
      if (clash === undefined) continue
      const params = { protocol, other: clash.protocol, service: formatRef(refOf(clash.service)) }
      findings.push(finding('LTN0310', service, `spec.ports[${index}]`, params))
    }
  }
  return findings
}

type Said = Map<string, { readonly service: Service; readonly protocol: string }>

/** The first Service that says something else of one of the workloads. */
function claim(
  said: Said,
  behind: readonly KnownWorkload[],
  target: string,
  own: { readonly service: Service; readonly protocol: string },
): { readonly service: Service; readonly protocol: string } | undefined {
  for (const workload of behind) {
    const number = workload.ports?.find((port) => port.name === target || String(port.number) === target)?.number ?? target
    const key = `${workload.key} ${number}`
    const before = said.get(key)
    if (before === undefined) said.set(key, own)
    else if (before.protocol !== own.protocol) return before
  }
  return undefined
}

export function serviceEntryPorts({ state }: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const said = new Map<string, { readonly entry: ServiceEntry; readonly protocol: string }>()
  for (const entry of [...state.objects.ServiceEntry.values()].sort(byAge)) {
    findings.push(...withoutAddress(entry))
    for (const [index, { number, protocol }] of (entry.spec.ports ?? []).entries()) {
      const own = (protocol ?? 'TCP').toUpperCase()
      for (const host of entry.spec.hosts) {
        const key = `${host.toLowerCase()} ${number}`
        const before = said.get(key)
        if (before === undefined) said.set(key, { entry, protocol: own })
        else if (before.entry !== entry && before.protocol !== own) {
          const params = { host, port: number, protocol: own, other: before.protocol, entry: formatRef(refOf(before.entry)) }
          findings.push(finding('LTN0311', entry, `spec.ports[${index}].protocol`, params))
          break
        }
      }
    }
  }
  return findings
}

/** Protocols in which nothing in the first bytes names a host. */
const OPAQUE: ReadonlySet<string> = new Set(['', 'TCP', 'MONGO', 'MYSQL', 'REDIS'])

/** The bytes of a TCP connection name no host: only an address tells two services on one port apart. */
function withoutAddress(entry: ServiceEntry): readonly Finding[] {
  const { addresses = [], resolution = 'NONE', ports = [] } = entry.spec
  if (addresses.length > 0 || resolution === 'DYNAMIC_DNS') return []
  return ports.flatMap(({ number, protocol }, index) =>
    OPAQUE.has((protocol ?? 'TCP').toUpperCase()) ? [finding('LTN0312', entry, `spec.ports[${index}]`, { port: number })] : [],
  )
}
