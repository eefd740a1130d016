// What a DestinationRule says a client sends, against what PeerAuthentication says the server takes. When the two disagree every
// connection fails, and nothing but the handshake says so. Looks at whole workloads; modes of single ports are compile's.
import { type Finding, finding } from '../../api/finding.ts'
import type { DestinationRule, PortTrafficPolicy, TrafficPolicy } from '../../api/generated/destination-rule.gen.ts'
import type { PeerAuthentication } from '../../api/generated/peer-authentication.gen.ts'
import type { Service } from '../../api/generated/service.gen.ts'
import { formatRef, refOf } from '../../api/object-meta.ts'
import { serviceHostname } from '../../model/mesh-settings.ts'
import { resolveHost } from '../compile/hosts.ts'
import { byAge } from '../compile/mesh-draft.ts'
import { type MeshFacts, selectorOf } from './mesh-facts.ts'

type ServerMode = 'STRICT' | 'DISABLE'

interface Demand {
  readonly mode: ServerMode
  readonly policy: PeerAuthentication
}

export function mutualTlsContradictions(facts: MeshFacts): readonly Finding[] {
  const { objects } = facts.state
  if (objects.PeerAuthentication.size === 0) return []
  const services = new Map(
    [...objects.Service.values()].map((service) => [
      serviceHostname(service.metadata.name, service.metadata.namespace, facts.settings),
      service,
    ]),
  )
  const demands = demandsOf(facts)
  return [...objects.DestinationRule.values()].flatMap((rule) => {
    const service = services.get(resolveHost(rule.spec.host, rule.metadata.namespace, facts.settings))
    if (service === undefined) return []
    const wanted = demandsOn(service, facts, demands)
    return tlsSettings(rule).flatMap(({ mode, path }) => {
      const against = wanted.find((demand) => contradicts(mode, demand.mode))
      if (against === undefined) return []
      return [finding('LTN0309', rule, path, { mode, policy: formatRef(refOf(against.policy)), demanded: against.mode })]
    })
  })
}

/** Plaintext and TLS with other certificates are both no mesh TLS. */
function contradicts(client: string, server: ServerMode): boolean {
  return server === 'STRICT' ? client !== 'ISTIO_MUTUAL' : client === 'ISTIO_MUTUAL'
}

interface Demands {
  readonly byWorkload: ReadonlyMap<string, Demand | undefined>
  readonly byNamespace: ReadonlyMap<string, Demand | undefined>
  readonly mesh: Demand | undefined
}

/** Oldest first, the workload's own before its namespace's before the mesh's (as compile/peer-authentication.ts decides). */
function demandsOf(facts: MeshFacts): Demands {
  const byWorkload = new Map<string, Demand | undefined>()
  const byNamespace = new Map<string, Demand | undefined>()
  for (const policy of [...facts.state.objects.PeerAuthentication.values()].sort(byAge)) {
    const { namespace } = policy.metadata
    const mode = policy.spec.mtls?.mode ?? 'UNSET'
    if (mode === 'UNSET' || policy.unreadable === true) continue
    const demand = mode === 'STRICT' || mode === 'DISABLE' ? { mode, policy } : undefined
    const selector = selectorOf(policy)
    if (selector === undefined) {
      if (!byNamespace.has(namespace)) byNamespace.set(namespace, demand)
    } else if (namespace !== facts.settings.rootNamespace) {
      for (const { key } of facts.selected(selector.labels, namespace)) if (!byWorkload.has(key)) byWorkload.set(key, demand)
    }
  }
  return { byWorkload, byNamespace, mesh: byNamespace.get(facts.settings.rootNamespace) }
}

function demandsOn({ metadata, spec }: Service, facts: MeshFacts, { byWorkload, byNamespace, mesh }: Demands): readonly Demand[] {
  const { namespace } = metadata
  const general = byNamespace.has(namespace) ? byNamespace.get(namespace) : mesh
  const behind = Object.keys(spec.selector ?? {}).length === 0 ? [] : facts.selected(spec.selector ?? {}, namespace)
  const found = behind.length === 0 ? [general] : behind.map(({ key }) => (byWorkload.has(key) ? byWorkload.get(key) : general))
  return [...new Set(found)].flatMap((demand) => demand ?? [])
}

interface ClientTls {
  readonly mode: string
  readonly path: string
}

function tlsSettings({ spec }: DestinationRule): readonly ClientTls[] {
  return [
    ...settingsIn(spec.trafficPolicy, 'spec.trafficPolicy'),
    ...(spec.subsets ?? []).flatMap(({ trafficPolicy }, index) => settingsIn(trafficPolicy, `spec.subsets[${index}].trafficPolicy`)),
  ]
}

function settingsIn(policy: TrafficPolicy | undefined, path: string): readonly ClientTls[] {
  const of = (each: TrafficPolicy | PortTrafficPolicy | undefined, at: string): readonly ClientTls[] =>
    each?.tls === undefined ? [] : [{ mode: each.tls.mode ?? 'DISABLE', path: `${at}.tls` }]
  const ports = policy?.portLevelSettings ?? []
  return [...of(policy, path), ...ports.flatMap((each, index) => of(each, `${path}.portLevelSettings[${index}]`))]
}
