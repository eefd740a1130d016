// Ports in policies are the workload's, not the service's: the slip that leaves a port open that its author meant to close.
import { type Finding, finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { type KnownWorkload, type MeshFacts, reachOf, selectorOf } from './mesh-facts.ts'

export function policyPorts(facts: MeshFacts): readonly Finding[] {
  const { PeerAuthentication, AuthorizationPolicy } = facts.state.objects
  return [
    ...[...PeerAuthentication.values()].flatMap((policy) =>
      unknownPorts(
        policy,
        Object.keys(policy.spec.portLevelMtls ?? {}).map((port) => [port, `spec.portLevelMtls["${port}"]`] as const),
        facts,
      ),
    ),
    ...[...AuthorizationPolicy.values()].flatMap((policy) =>
      unknownPorts(
        policy,
        (policy.spec.rules ?? []).flatMap(({ to }, rule) =>
          (to ?? []).flatMap(({ operation }, index) =>
            (operation?.ports ?? []).map((port, place) => [port, `spec.rules[${rule}].to[${index}].operation.ports[${place}]`] as const),
          ),
        ),
        facts,
      ),
    ),
  ]
}

/** Only where every selected workload says which ports it has. */
function unknownPorts(policy: AnyApiObject, written: readonly (readonly [string, string])[], facts: MeshFacts): readonly Finding[] {
  const selector = selectorOf(policy)
  if (selector === undefined || written.length === 0) return []
  const known = portsOf(facts.selected(selector.labels, reachOf(policy, facts.settings)))
  if (known === undefined || known.size === 0) return []
  const ports = [...known].sort((a, b) => a - b).join(', ')
  return written.flatMap(([port, path]) => (known.has(Number(port)) ? [] : [finding('LTN0313', policy, path, { port, ports })]))
}

function portsOf(workloads: readonly KnownWorkload[]): ReadonlySet<number> | undefined {
  const known = new Set<number>()
  for (const { ports } of workloads) {
    if (ports === undefined) return undefined
    for (const { number } of ports) known.add(number)
  }
  return known
}
