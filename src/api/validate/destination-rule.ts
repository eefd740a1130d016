// What the schema cannot say of a DestinationRule.
import type { FieldPath } from '../field-path.ts'
import type { DestinationRule, PortTrafficPolicy, TrafficPolicy } from '../generated/destination-rule.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { checkClientTls } from './client-tls.ts'
import { checkConnectionPool, checkOutlierDetection } from './connection-pool.ts'
import { checkExportTo, fqdnProblem, isIpAddress, wildcardDomainProblem } from './hosts.ts'
import { checkLoadBalancer } from './load-balancer.ts'
import { checkLabels, checkSelector } from './matches.ts'

export function checkDestinationRule({ spec }: DestinationRule, report: Report): void {
  const path: FieldPath = ['spec']
  const problem = isIpAddress(spec.host) ? undefined : wildcardDomainProblem(spec.host)
  if (problem !== undefined) report('LTN0130', [...path, 'host'], { value: spec.host, problem })
  checkExportTo(spec.exportTo, false, path, report)
  const selects = spec.workloadSelector !== undefined
  if (selects) {
    checkSelector(spec.workloadSelector, [...path, 'workloadSelector'], report)
    if (spec.exportTo?.some((entry) => entry !== '.') === true) {
      report('LTN0135', [...path, 'exportTo'], { first: 'exportTo beyond the own namespace', second: 'workloadSelector' }, 'key')
    }
  }
  if (spec.trafficPolicy !== undefined) checkTrafficPolicy(spec.trafficPolicy, [...path, 'trafficPolicy'], report)
  checkSubsets(spec, [...path, 'subsets'], report)
}

function checkSubsets({ subsets = [], trafficPolicy: ruled }: DestinationRule['spec'], path: FieldPath, report: Report): void {
  const inherited = ruled?.outlierDetection !== undefined
  const names = new Map<string, number>()
  subsets.forEach(({ name, labels, trafficPolicy }, index) => {
    const at = [...path, index]
    const first = names.get(name)
    if (!isDnsLabel(name)) report('LTN0118', [...at, 'name'], { value: name, pattern: 'a DNS label' })
    else if (first !== undefined) report('LTN0120', [...at, 'name'], { value: name, first: `[${first}]` })
    else names.set(name, index)
    checkLabels(labels, [...at, 'labels'], report)
    if (trafficPolicy !== undefined) checkTrafficPolicy(trafficPolicy, [...at, 'trafficPolicy'], report, inherited)
  })
}

/** @param inheritsOutliers a subset has its rule's outlier detection, unless it says so itself. */
function checkTrafficPolicy(policy: TrafficPolicy, path: FieldPath, report: Report, inheritsOutliers = false): void {
  if (Object.keys(policy).length === 0) report('LTN0136', path, { what: 'a traffic policy', needed: 'at least one setting' }, 'key')
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    report('LTN0135', [...path, 'proxyProtocol'], { first: 'proxyProtocol', second: 'tunnel' }, 'key')
  }
  checkPolicy(policy, path, report, inheritsOutliers)
  policy.portLevelSettings?.forEach((settings, index) => {
    const at = [...path, 'portLevelSettings', index]
    const { port, ...rest } = settings
    if (port?.number === undefined || port.number < 1 || port.number > 65535) {
      report('LTN0117', [...at, 'port'], { value: port?.number ?? 'nothing', bound: '1 to 65535' })
    }
    if (Object.keys(rest).length === 0) report('LTN0136', at, { what: 'a port level setting', needed: 'at least one setting' }, 'key')
    checkPolicy(settings, at, report)
    checkInheritance(policy, rest, port?.number, at, report)
  })
  if (policy.tunnel !== undefined) checkTunnel(policy.tunnel, [...path, 'tunnel'], report)
}

const INHERITED_ELSEWHERE = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const

/** A subset inherits from the rule, but a port replaces all of the policy (Istio's rule): what is above is off there, silently. */
function checkInheritance(policy: TrafficPolicy, own: object, port: number | undefined, path: FieldPath, report: Report): void {
  const lost = INHERITED_ELSEWHERE.filter((field) => policy[field] !== undefined && !(field in own))
  if (lost.length > 0) report('LTN0150', path, { port: port ?? 0, fields: lost.join(', ') }, 'key')
}

function checkPolicy(policy: TrafficPolicy | PortTrafficPolicy, path: FieldPath, report: Report, inheritsOutliers = false): void {
  const { loadBalancer, connectionPool, outlierDetection, tls } = policy
  const hasOutliers = inheritsOutliers || outlierDetection !== undefined
  if (loadBalancer !== undefined) checkLoadBalancer(loadBalancer, hasOutliers, [...path, 'loadBalancer'], report)
  if (connectionPool !== undefined) checkConnectionPool(connectionPool, [...path, 'connectionPool'], report)
  if (outlierDetection !== undefined) checkOutlierDetection(outlierDetection, [...path, 'outlierDetection'], report)
  if (tls !== undefined) checkClientTls(tls, [...path, 'tls'], report)
}

function checkTunnel(tunnel: NonNullable<TrafficPolicy['tunnel']>, path: FieldPath, report: Report): void {
  const { protocol, targetHost, targetPort } = tunnel
  if (protocol !== undefined && !['', 'CONNECT', 'POST'].includes(protocol)) {
    report('LTN0113', [...path, 'protocol'], { value: protocol, suggestion: '', allowed: 'CONNECT, POST' })
  }
  const problem = isIpAddress(targetHost) ? undefined : fqdnProblem(targetHost)
  if (problem !== undefined) report('LTN0130', [...path, 'targetHost'], { value: targetHost, problem })
  if (targetPort < 1 || targetPort > 65535) report('LTN0117', [...path, 'targetPort'], { value: targetPort, bound: '1 to 65535' })
}
