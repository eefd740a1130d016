// What several objects say of one port: Services in front of the same workload port, ServiceEntries of the same host.
import { type Finding, finding } from '../../api/finding.ts'
import type { Service } from '../../api/generated/service.gen.ts'
import type { ServiceEntry } from '../../api/generated/service-entry.gen.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import { byAge } from '../compile/mesh-draft.ts'
import { protocolOf } from '../compile/protocol.ts'
import { type KnownWorkload, type MeshFacts, selectorOf } from './mesh-facts.ts'

interface Said {
  readonly service: Service
  /** Undefined: nothing says it. */
  readonly protocol: string | undefined
  readonly port: number
}

/** The workload's side then tells each connection by its first bytes, with what that costs. */
export function servicesOfOnePort(facts: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  const said = new Map<string, Said>()
  for (const service of [...facts.state.objects.Service.values()].sort(byAge)) {
    const selector = selectorOf(service)
    if (selector === undefined) continue
    const behind = facts.selected(selector.labels, service.metadata.namespace)
    for (const [index, port] of (service.spec.ports ?? []).entries()) {
      const protocol = protocolOf({ name: port.name ?? '', appProtocol: port.appProtocol, number: port.port })
      const target = String(port.targetPort ?? port.port)
      findings.push(...contradictions(said, behind, target, { service, protocol, port: port.port }, `spec.ports[${index}]`))
    }
  }
  return findings
}

/** With the first Service that says something else of one of the workloads; a protocol that differs is said before a number. */
function contradictions(
  said: Map<string, Said>,
  behind: readonly KnownWorkload[],
  target: string,
  own: Said,
  path: string,
): readonly Finding[] {
  let renumbered: Said | undefined
  for (const workload of behind) {
    const number = workload.ports?.find((port) => port.name === target || String(port.number) === target)?.number ?? target
    const key = `${workload.key} ${number}`
    const before = said.get(key)
    if (before === undefined) said.set(key, own)
    else if (before.protocol !== undefined && own.protocol !== undefined && before.protocol !== own.protocol) {
      const params = { protocol: own.protocol, other: before.protocol, service: formatRef(refOf(before.service)) }
      return [finding('LTN0310', own.service, path, params)]
    } else if (before.service !== own.service && before.port !== own.port) renumbered ??= before
  }
  if (renumbered === undefined) return []
  const params = { port: own.port, target, service: formatRef(refOf(renumbered.service)), other: renumbered.port }
  return [finding('LTN0317', own.service, path, params)]
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
        // Within a namespace the older has the host, and compile says so (LTN0205).
        else if (before.entry.metadata.namespace !== entry.metadata.namespace && before.protocol !== own) {
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
