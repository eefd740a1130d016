// What the schema cannot say of a VirtualService. Called by semantics.ts for objects that the schema accepts.
import type { CheckOptions } from '../check-options.ts'
import type { FieldPath } from '../field-path.ts'
import type { VirtualService } from '../generated/virtual-service.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { checkExportTo, checkNoOverlap, fqdnProblem, isIpAddress, wildcardDomainProblem } from './hosts.ts'
import { checkHttpRoute } from './http-route.ts'
import { checkL4Match, checkRouteDestinations } from './l4-route.ts'
import { checkL4Reachability, checkReachability } from './reachability.ts'

export function checkVirtualService({ spec }: VirtualService, report: Report, options: CheckOptions): void {
  const path: FieldPath = ['spec']
  const { hosts = [], gateways = ['mesh'], http = [], tls = [], tcp = [] } = spec
  const isDelegate = hosts.length === 0
  if (http.length + tls.length + tcp.length === 0)
    report('LTN0136', path, { what: 'a VirtualService', needed: 'http, tls or tcp routes' }, 'key')
  if (isDelegate) checkDelegate(spec, path, report)
  const forGateways = gateways.some((gateway) => gateway !== 'mesh')
  hosts.forEach((host, index) => void checkHost(host, forGateways, [...path, 'hosts', index], report))
  checkNoOverlap(hosts, [...path, 'hosts'], report)
  gateways.forEach((gateway, index) => void checkGateway(gateway, [...path, 'gateways', index], report))
  checkExportTo(spec.exportTo, false, path, report)
  http.forEach((route, index) => void checkHttpRoute(route, { isDelegate, forGateways }, [...path, 'http', index], report, options))
  tls.forEach((route, index) => {
    const at = [...path, 'tls', index]
    if ((route.route ?? []).length === 0) report('LTN0136', at, { what: 'a tls route', needed: 'route' }, 'key')
    route.match.forEach((match, number) => {
      checkL4Match(match, [...at, 'match', number], report)
      match.sniHosts.forEach((sni, place) => void checkSni(sni, hosts, [...at, 'match', number, 'sniHosts', place], report))
    })
    checkRouteDestinations(route.route ?? [], [...at, 'route'], report)
  })
  tcp.forEach((route, index) => {
    const at = [...path, 'tcp', index]
    if ((route.route ?? []).length === 0) report('LTN0136', at, { what: 'a tcp route', needed: 'route' }, 'key')
    route.match?.forEach((match, number) => void checkL4Match(match, [...at, 'match', number], report))
    checkRouteDestinations(route.route ?? [], [...at, 'route'], report)
  })
  checkReachability(http, [...path, 'http'], report)
  checkL4Reachability(tls, [...path, 'tls'], report)
  checkL4Reachability(tcp, [...path, 'tcp'], report)
}

/** Without hosts it is a delegate, which carries http routes for others and nothing else. */
function checkDelegate(spec: VirtualService['spec'], path: FieldPath, report: Report): void {
  for (const field of ['gateways', 'tls', 'tcp'] as const) {
    if ((spec[field] ?? []).length > 0)
      report('LTN0136', [...path, field], { what: `a VirtualService with ${field}`, needed: 'hosts' }, 'key')
  }
}

function checkHost(host: string, forGateways: boolean, path: FieldPath, report: Report): void {
  if (host === '*') {
    if (!forGateways) report('LTN0130', path, { value: host, problem: "'*' is only for gateways, not for the mesh" })
    return
  }
  const problem = isIpAddress(host) ? undefined : wildcardDomainProblem(host)
  if (problem !== undefined) report('LTN0130', path, { value: host, problem })
}

function checkGateway(gateway: string, path: FieldPath, report: Report): void {
  const parts = gateway.split('/')
  const [namespace = '', name = ''] = parts
  const good = parts.length === 1 ? fqdnProblem(gateway) === undefined : parts.length === 2 && isNamespace(namespace) && isDnsLabel(name)
  if (!good) report('LTN0132', path, { value: gateway })
}

function isNamespace(text: string): boolean {
  return text === '.' || isDnsLabel(text)
}

/** An SNI name must be covered by one of the rule's hosts, or no connection with it ever reaches the rule. */
function checkSni(sni: string, hosts: readonly string[], path: FieldPath, report: Report): void {
  if (isIpAddress(sni)) return
  const problem = wildcardDomainProblem(sni)
  if (problem !== undefined) return report('LTN0130', path, { value: sni, problem })
  if (!hosts.some((host) => covers(host, sni))) report('LTN0130', path, { value: sni, problem: 'none of the hosts covers it' })
}

function covers(host: string, sni: string): boolean {
  if (host.startsWith('*')) return sni.endsWith(host.slice(1)) || (sni.startsWith('*') && sni.slice(1).endsWith(host.slice(1)))
  return host === sni
}
