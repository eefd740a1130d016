// Imports of Sidecars: a host that no service has imports nothing, and the workloads that need it get no route to it.
import { type Finding, finding } from '../../api/finding.ts'
import { suggest } from '../../base/suggest.ts'
import { overlaps } from './host-overlap.ts'
import type { MeshFacts } from './mesh-facts.ts'

export function sidecarImports(facts: MeshFacts): readonly Finding[] {
  if (facts.hosts.size === 0) return []
  const known = namesByNamespace(facts)
  const some = [...facts.hosts].slice(0, MAX_SUGGESTIONS).map(([host, namespace]) => `${namespace}/${host}`)
  // A slip is more often in the name than in its namespace; and comparing with everything would take longer than all other checks.
  const candidates = (written: string, own: string): readonly string[] => {
    const [scope = ''] = written.split('/')
    const names = known.byNamespace.get(scope === '.' ? own : scope)
    return names === undefined ? some : names.map((host) => `${scope}/${host}`)
  }
  return [...facts.state.objects.Sidecar.values()].flatMap((sidecar) =>
    (sidecar.spec.egress ?? []).flatMap(({ hosts }, index) =>
      hosts.flatMap((written, place) => {
        if (findsSomething(written, sidecar.metadata.namespace, known, facts.hosts)) return []
        const nearest = suggest(written, candidates(written, sidecar.metadata.namespace))
        const suggestion = nearest === undefined ? '' : `; did you mean '${nearest}'?`
        return [finding('LTN0315', sidecar, `spec.egress[${index}].hosts[${place}]`, { host: written, suggestion })]
      }),
    ),
  )
}

/** Looking for the nearest of a hundred thousand names would take longer than everything else. */
const MAX_SUGGESTIONS = 1000

interface KnownNames {
  readonly all: ReadonlySet<string>
  readonly wildcards: readonly string[]
  readonly byNamespace: ReadonlyMap<string, readonly string[]>
}

function namesByNamespace({ hosts }: MeshFacts): KnownNames {
  const byNamespace = new Map<string, string[]>()
  for (const [host, namespace] of hosts) {
    const list = byNamespace.get(namespace)
    if (list === undefined) byNamespace.set(namespace, [host])
    else list.push(host)
  }
  return { all: new Set(hosts.keys()), wildcards: [...hosts.keys()].filter((host) => host.startsWith('*')), byNamespace }
}

/** Whole namespaces and exclusions are never wrong: services may come later, and leaving out nothing does no harm. */
function findsSomething(written: string, own: string, known: KnownNames, hosts: MeshFacts['hosts']): boolean {
  const [scope = '', name = ''] = written.toLowerCase().split('/')
  if (scope.startsWith('~') || name === '*') return true
  const namespace = scope === '.' ? own : scope
  if (scope !== '*' && hosts.get(name) === namespace) return true
  if (scope !== '*') return (known.byNamespace.get(namespace) ?? []).some((host) => overlaps(host, name))
  if (known.all.has(name)) return true
  const candidates = name.startsWith('*') ? [...known.all] : known.wildcards
  return candidates.some((host) => overlaps(host, name))
}
