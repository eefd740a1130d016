// VirtualServices against the Gateways that they name: there is one, and it serves the host. A host that no server serves is answered 404.
import { type Finding, finding } from '../../api/finding.ts'
import type { Gateway } from '../../api/generated/gateway.gen.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { suggest } from '../../base/suggest.ts'
import { overlaps } from './host-overlap.ts'
import type { MeshFacts } from './mesh-facts.ts'

export function gatewayReferences({ state }: MeshFacts): readonly Finding[] {
  const findings: Finding[] = []
  for (const route of state.objects.VirtualService.values()) {
    for (const [index, written] of (route.spec.gateways ?? []).entries()) {
      if (written === 'mesh') continue
      const key = gatewayKey(written, route.metadata.namespace)
      const gateway = state.objects.Gateway.get(key)
      if (gateway === undefined) findings.push(missing(route, index, key, state.objects.Gateway.keys()))
      else findings.push(...unserved(route, gateway))
    }
  }
  return findings
}

/** `name`, `./name`, `namespace/name`, and the old `name.namespace[.svc...]` (Istio's forms) as `namespace/name`. */
export function gatewayKey(written: string, namespace: string): string {
  const [first = '', second] = written.split('/')
  if (second !== undefined) return `${first === '.' ? namespace : first}/${second}`
  const [name = '', dotted] = first.split('.')
  return `${dotted ?? namespace}/${name}`
}

function missing(route: VirtualService, index: number, key: string, known: Iterable<string>): Finding {
  const nearest = suggest(key, known)
  const suggestion = nearest === undefined ? '' : `; did you mean '${nearest}'?`
  return finding('LTN0301', route, `spec.gateways[${index}]`, { gateway: key, suggestion })
}

function unserved(route: VirtualService, gateway: Gateway): readonly Finding[] {
  const served = (gateway.spec.servers ?? []).flatMap(({ hosts }) => hosts.flatMap((host) => hostFor(host, route, gateway) ?? []))
  return (route.spec.hosts ?? []).flatMap((host, index) =>
    // A short name is a service of the mesh: a gateway serves full names only, and the route is for both.
    served.some((each) => overlaps(each, host.toLowerCase()))
      ? []
      : [finding('LTN0302', route, `spec.hosts[${index}]`, { host, gateway: `${gateway.metadata.namespace}/${gateway.metadata.name}` })],
  )
}

/** A server's host may be `namespace/host`: only routes of that namespace may use it (`.`: the gateway's own). */
function hostFor(written: string, route: VirtualService, gateway: Gateway): string | undefined {
  const [first = '', second] = written.split('/')
  if (second === undefined) return first.toLowerCase()
  const namespace = first === '.' ? gateway.metadata.namespace : first
  return namespace === '*' || namespace === route.metadata.namespace ? second.toLowerCase() : undefined
}
