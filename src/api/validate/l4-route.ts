// Matches and destinations of tcp and tls routes, and destinations as http routes have them too.
import { parseCidr } from '../../base/cidr.ts'
import type { FieldPath } from '../field-path.ts'
import type { Destination, L4MatchAttributes } from '../generated/virtual-service.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { fqdnProblem, isIpAddress, wildcardDomainProblem } from './hosts.ts'
import { checkLabels, checkPort } from './matches.ts'

export function checkL4Match(match: L4MatchAttributes, path: FieldPath, report: Report): void {
  match.destinationSubnets?.forEach((subnet, index) => {
    if (parseCidr(subnet) === undefined) {
      report('LTN0139', [...path, 'destinationSubnets', index], { value: subnet, expected: 'an address or a range' })
    }
  })
  checkClient(match, path, report)
}

/** Conditions on the client that http, tls and tcp matches have in common. */
export function checkClient(
  match: { readonly port?: number; readonly sourceLabels?: Readonly<Record<string, string>>; readonly sourceNamespace?: string },
  path: FieldPath,
  report: Report,
): void {
  checkPort(match.port, [...path, 'port'], report)
  checkLabels(match.sourceLabels, [...path, 'sourceLabels'], report)
  const { sourceNamespace } = match
  if (sourceNamespace !== undefined && sourceNamespace !== '' && !isDnsLabel(sourceNamespace)) {
    report('LTN0118', [...path, 'sourceNamespace'], { value: sourceNamespace, pattern: 'the name of a namespace' })
  }
}

export function checkRouteDestinations(
  routes: readonly { readonly destination: Destination; readonly weight?: number }[],
  path: FieldPath,
  report: Report,
): void {
  let total = 0
  routes.forEach(({ destination, weight = 0 }, index) => {
    checkDestination(destination, [...path, index, 'destination'], report)
    if (weight < 0) report('LTN0117', [...path, index, 'weight'], { value: weight, bound: 'at least 0' })
    total += weight
  })
  if (routes.length > 1 && total === 0) report('LTN0138', path, { count: routes.length }, 'key')
}

export function checkDestination(destination: Destination, path: FieldPath, report: Report): void {
  const { host, subset, port } = destination
  const problem = host === '*' ? 'a destination cannot be every host' : isIpAddress(host) ? undefined : destinationProblem(host)
  if (problem !== undefined) report('LTN0130', [...path, 'host'], { value: host, problem })
  if (subset !== undefined && subset !== '' && !isDnsLabel(subset)) {
    report('LTN0118', [...path, 'subset'], { value: subset, pattern: 'a DNS label' })
  }
  if (port !== undefined && (port.number === undefined || port.number < 1 || port.number > 65535)) {
    report('LTN0117', [...path, 'port', 'number'], { value: port.number ?? 'nothing', bound: '1 to 65535' })
  }
}

function destinationProblem(host: string): string | undefined {
  return host.includes('*') ? wildcardDomainProblem(host) : fqdnProblem(host)
}
