// VirtualServices become traffic routes of sidecars and of gateways. What a route says is http-routes.ts's and l4-routes.ts's; who owns a
// host is route-claims.ts's. Last pass.
// Invariant: one owner per host and namespace on sidecars, and nothing is merged there; on gateways everything is kept, oldest first,
// because hosts are merged where the gateway's servers are known.
import { type Finding, finding } from '../../api/finding.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import type { GatewayRoute } from '../../model/gateway.ts'
import { describeOrigin } from '../../model/origin.ts'
import { mayBeHttp } from '../../model/service.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import { delegateFindings, isDelegate } from './delegates.ts'
import { gatewaysOf, MESH } from './gateway-names.ts'
import { didYouMean, isRoutableHost, resolveHost } from './hosts.ts'
import { type BoundRoute, httpRoutes, routesFor } from './http-routes.ts'
import { type BoundL4Route, l4Routes, l4RoutesFor } from './l4-routes.ts'
import { byAge, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered, RememberedAnswers } from './remembered.ts'
import { type Claim, settleClaims } from './route-claims.ts'
import { noting, type Surroundings, surroundingsIn } from './surroundings.ts'
import { visibilityOf } from './visibility.ts'

export const virtualServices = definePass({
  kinds: ['VirtualService'],
  reads: ['services', 'subsetNames'],
  create: () => {
    const compiled = new RememberedAnswers(compileVirtualService, noting)
    const settled = new Remembered(settle)
    return (input) => {
      const objects = [...input.objects.VirtualService.values()].sort(byAge)
      const findings: Finding[] = [...delegateFindings(objects)]
      const claims = new Map<string, OwnedClaim[]>()
      const gatewayRoutes = new Map<string, GatewayRoute[]>()
      const compile = compiled.round(surroundingsIn(input))
      for (const object of objects) {
        if (isDelegate(object)) continue
        const made = compile(keyOf(object), object)
        for (const claim of made.claims) push(claims, claim.route.host, claim)
        for (const { gateway, route } of made.gatewayRoutes) push(gatewayRoutes, gateway, route)
        findings.push(...made.findings)
      }
      const routes = new Map<string, readonly TrafficRoute[]>()
      const settleHost = settled.round()
      for (const [host, ofHost] of claims) {
        const made = settleHost(host, host, ofHost)
        routes.set(host, made.routes)
        findings.push(...made.findings)
      }
      return { routes, gatewayRoutes, findings }
    }
  },
})

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

interface OwnedClaim extends Claim {
  readonly object: VirtualService
}

interface CompiledVirtualService {
  /** To hosts on sidecars. */
  readonly claims: readonly OwnedClaim[]
  readonly gatewayRoutes: readonly { readonly gateway: string; readonly route: GatewayRoute }[]
  readonly findings: readonly Finding[]
}

function compileVirtualService(object: VirtualService, around: Surroundings): CompiledVirtualService {
  const http = httpRoutes(object, around)
  const l4 = l4Routes(object, around)
  const findings: Finding[] = [...http.findings, ...l4.findings]
  const hosts = hostsOf(object, around)
  const owner = ownerOf(object, around)
  const claims: OwnedClaim[] = []
  const gatewayRoutes: { gateway: string; route: GatewayRoute }[] = []
  for (const gateway of gatewaysOf(object.spec.gateways, object.metadata.namespace)) {
    const sections = sectionsFor(gateway, http.routes, l4.routes)
    if (gateway !== MESH) {
      gatewayRoutes.push({ gateway, route: { hosts: hosts.map(({ host }) => host), ...sections, ...owner } })
      continue
    }
    for (const { host, written, field } of hosts) {
      const route = { host, ...sections, ...owner }
      claims.push({ route, field, object })
      findings.push(...hostFindings(object, route, written, field, around))
    }
  }
  return { claims, gatewayRoutes, findings }
}

function ownerOf(object: VirtualService, around: Surroundings): Pick<TrafficRoute, 'origin' | 'visibility'> {
  return {
    visibility: visibilityOf(object.spec.exportTo, object.metadata.namespace, around.settings.defaultExportTo.virtualService),
    origin: originOf(object),
  }
}

function sectionsFor(gateway: string, http: readonly BoundRoute[], l4: readonly BoundL4Route[]): Pick<TrafficRoute, 'http' | 'l4'> {
  return { http: routesFor(gateway, http), l4: l4RoutesFor(gateway, l4) }
}

interface WrittenHost {
  readonly host: string
  readonly written: string
  readonly field: string
}

/** Without those that no request can carry, and each once; validation has said so. */
function hostsOf(object: VirtualService, around: Surroundings): readonly WrittenHost[] {
  const own = new Set<string>()
  return (object.spec.hosts ?? []).flatMap((written, index) => {
    const host = resolveHost(written, object.metadata.namespace, around.settings)
    if (own.has(host) || !isRoutableHost(host)) return []
    own.add(host)
    return [{ host, written, field: `spec.hosts[${index}]` }]
  })
}

interface SettledHost {
  readonly routes: readonly TrafficRoute[]
  readonly findings: readonly Finding[]
}

function settle(host: string, claims: readonly OwnedClaim[]): SettledHost {
  const { kept, lost } = settleClaims(claims)
  const findings = lost.map(({ claim, winner, isOlder }) => {
    const params = { what: `host '${host}'`, winner: describeOrigin(winner.route.origin) }
    return finding(isOlder ? 'LTN0205' : 'LTN0216', claim.object, claim.field, params)
  })
  return { routes: kept.map(({ route }) => route), findings }
}

function hostFindings(
  object: VirtualService,
  { host, http }: TrafficRoute,
  written: string,
  field: string,
  around: Surroundings,
): readonly Finding[] {
  if (isMissingService(host, around)) {
    return [finding('LTN0208', object, field, { host: written, suggestion: didYouMean(written, host, around.hostnames()) })]
  }
  const service = around.service(host)
  const isUnread = service !== undefined && http.length > 0 && !service.ports.some(({ protocol }) => mayBeHttp(protocol))
  return isUnread ? [finding('LTN0210', object, field, { host: written })] : []
}

/** A name of this mesh that no Service has. Other names may be hosts of the outside world. */
function isMissingService(host: string, around: Surroundings): boolean {
  return around.service(host) === undefined && !host.includes('*') && host.endsWith(`.svc.${around.settings.domainSuffix}`)
}
