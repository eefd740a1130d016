// VirtualServices become traffic routes of sidecars and of gateways. What a route says is http-routes.ts's and l4-routes.ts's; who owns a
// host is route-claims.ts's. Last pass but gateways.
// Invariant: one owner per host and namespace on sidecars, and nothing is merged there; on gateways everything is kept, oldest first,
// because hosts are merged where the gateway's servers are known.
import { type Finding, finding } from '../../api/finding.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { describeOrigin } from '../../model/origin.ts'
import { isHttp } from '../../model/service.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import type { CompileInput } from './compile-input.ts'
import { isDelegate } from './delegates.ts'
import { gatewaysOf, MESH } from './gateway-names.ts'
import { didYouMean, isRoutableHost, resolveHost } from './hosts.ts'
import { type BoundRoute, httpRoutes, routesFor } from './http-routes.ts'
import { type BoundL4Route, l4Routes, l4RoutesFor } from './l4-routes.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'
import { type Claim, settleClaims } from './route-claims.ts'
import { visibilityOf } from './visibility.ts'

interface OwnedClaim extends Claim {
  readonly object: VirtualService
}

export function virtualServices(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  const claims = new Map<string, OwnedClaim[]>()
  const objects = [...input.state.objects.VirtualService.values()].sort(byAge)
  findings.push(...unusedDelegates(objects))
  for (const object of objects.filter((each) => !isDelegate(each))) {
    const http = httpRoutes(object, draft, input)
    const l4 = l4Routes(object, draft, input)
    findings.push(...http.findings, ...l4.findings)
    const hosts = hostsOf(object, input)
    for (const gateway of gatewaysOf(object.spec.gateways, object.metadata.namespace)) {
      if (gateway !== MESH) {
        addGatewayRoute(object, gateway, hosts, http.routes, l4.routes, draft, input)
        continue
      }
      for (const { host, written, field } of hosts) {
        const route = { host, ...sectionsFor(MESH, http.routes, l4.routes), ...ownerOf(object, input) }
        claims.set(host, [...(claims.get(host) ?? []), { route, field, object }])
        findings.push(...hostFindings(object, route, written, field, draft, input))
      }
    }
  }
  for (const [host, ofHost] of claims) findings.push(...settle(host, ofHost, draft))
  return findings
}

function ownerOf(object: VirtualService, input: CompileInput): Pick<TrafficRoute, 'origin' | 'visibility'> {
  return {
    visibility: visibilityOf(object.spec.exportTo, object.metadata.namespace, input.settings.defaultExportTo.virtualService),
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
function hostsOf(object: VirtualService, input: CompileInput): readonly WrittenHost[] {
  const own = new Set<string>()
  return (object.spec.hosts ?? []).flatMap((written, index) => {
    const host = resolveHost(written, object.metadata.namespace, input.settings)
    if (own.has(host) || !isRoutableHost(host)) return []
    own.add(host)
    return [{ host, written, field: `spec.hosts[${index}]` }]
  })
}

function addGatewayRoute(
  object: VirtualService,
  gateway: string,
  hosts: readonly WrittenHost[],
  http: readonly BoundRoute[],
  l4: readonly BoundL4Route[],
  draft: MeshDraft,
  input: CompileInput,
): void {
  const route = { hosts: hosts.map(({ host }) => host), ...sectionsFor(gateway, http, l4), ...ownerOf(object, input) }
  draft.gatewayRoutes.set(gateway, [...(draft.gatewayRoutes.get(gateway) ?? []), route])
}

function settle(host: string, claims: readonly OwnedClaim[], draft: MeshDraft): readonly Finding[] {
  const { kept, lost } = settleClaims(claims)
  draft.routes.set(
    host,
    kept.map(({ route }) => route),
  )
  return lost.map(({ claim, winner }) => {
    const params = { what: `host '${host}'`, winner: describeOrigin(winner.route.origin) }
    const isOlder = claims.indexOf(winner) < claims.indexOf(claim)
    return finding(isOlder ? 'LTN0205' : 'LTN0216', claim.object, claim.field, params)
  })
}

function hostFindings(
  object: VirtualService,
  { host, http }: TrafficRoute,
  written: string,
  field: string,
  draft: MeshDraft,
  input: CompileInput,
): readonly Finding[] {
  if (isMissingService(host, draft, input)) {
    return [finding('LTN0208', object, field, { host: written, suggestion: didYouMean(written, host, draft.services.keys()) })]
  }
  const service = draft.services.get(host)
  const isUnread = service !== undefined && http.length > 0 && !service.ports.some(({ protocol }) => isHttp(protocol))
  return isUnread ? [finding('LTN0210', object, field, { host: written })] : []
}

/** A name of this mesh that no Service has. Other names may be hosts of the outside world. */
function isMissingService(host: string, draft: MeshDraft, input: CompileInput): boolean {
  return !draft.services.has(host) && !host.includes('*') && host.endsWith(`.svc.${input.settings.domainSuffix}`)
}

/** A VirtualService without hosts is used by those that name it, and by nobody else. */
function unusedDelegates(objects: readonly VirtualService[]): readonly Finding[] {
  const used = new Set(
    objects.flatMap(({ metadata, spec }) =>
      (spec.http ?? []).flatMap(({ delegate }) =>
        delegate === undefined ? [] : [`${delegate.namespace || metadata.namespace}/${delegate.name ?? ''}`],
      ),
    ),
  )
  return objects
    .filter((object) => isDelegate(object) && !used.has(`${object.metadata.namespace}/${object.metadata.name}`))
    .map((object) => finding('LTN0218', object, 'spec', {}))
}
