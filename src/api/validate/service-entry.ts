// What the schema cannot say of a ServiceEntry.
import { parseCidr } from '../../base/cidr.ts'
import type { FieldPath } from '../field-path.ts'
import type { ServiceEntry, WorkloadEntry } from '../generated/service-entry.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { checkExportTo, fqdnProblem, isIpAddress, wildcardDomainProblem } from './hosts.ts'
import { checkLabels } from './matches.ts'
import { checkProtocol } from './ports.ts'
import { saysProtocol } from './service.ts'

export function checkServiceEntry({ spec }: ServiceEntry, report: Report): void {
  const path: FieldPath = ['spec']
  const { hosts, addresses, ports = [], resolution = 'NONE', endpoints = [] } = spec
  hosts.forEach((host, index) => void checkHost(host, resolution, endpoints.length > 0, [...path, 'hosts', index], report))
  addresses?.forEach((value, index) => {
    if (parseCidr(value) === undefined) report('LTN0139', [...path, 'addresses', index], { value, expected: 'an address or a range' })
  })
  ports.forEach(({ name, number, protocol = '' }, index) => {
    const at = [...path, 'ports', index]
    if (!isDnsLabel(name)) report('LTN0118', [...at, 'name'], { value: name, pattern: 'a DNS label' })
    if (protocol !== '') checkProtocol(protocol, [...at, 'protocol'], report)
    else if (!saysProtocol(name)) report('LTN0148', [...at, 'name'], { name, port: number })
  })
  const portNames = new Set(ports.map(({ name }) => name))
  endpoints.forEach((endpoint, index) => void checkEndpoint(endpoint, resolution, portNames, [...path, 'endpoints', index], report))
  if (resolution === 'DYNAMIC_DNS') {
    for (const field of ['addresses', 'endpoints'] as const) {
      if ((spec[field] ?? []).length > 0) report('LTN0135', [...path, field], { first: field, second: 'resolution DYNAMIC_DNS' }, 'key')
    }
  }
  checkLabels(spec.workloadSelector?.labels, [...path, 'workloadSelector', 'labels'], report)
  checkExportTo(spec.exportTo, true, path, report)
}

function checkHost(host: string, resolution: string, hasEndpoints: boolean, path: FieldPath, report: Report): void {
  const problem = wildcardDomainProblem(host) ?? resolutionProblem(host, resolution, hasEndpoints)
  if (problem !== undefined) report('LTN0130', path, { value: host, problem })
}

/** A name with a star cannot be asked of DNS; without endpoints the host itself is what is asked. */
function resolutionProblem(host: string, resolution: string, hasEndpoints: boolean): string | undefined {
  const asksDns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN'
  if (asksDns && !hasEndpoints && host.includes('*')) return `resolution ${resolution} needs a name without a star, or endpoints`
  if (resolution === 'DYNAMIC_DNS' && !host.startsWith('*')) return 'resolution DYNAMIC_DNS needs a name with a star'
  return undefined
}

function checkEndpoint(endpoint: WorkloadEntry, resolution: string, portNames: ReadonlySet<string>, path: FieldPath, report: Report): void {
  const { address = '', ports = {}, labels } = endpoint
  checkLabels(labels, [...path, 'labels'], report)
  for (const name of Object.keys(ports)) {
    if (!portNames.has(name))
      report('LTN0147', [...path, 'ports', name], { field: `the port '${name}'`, reason: 'the service has no port of that name' }, 'key')
  }
  if (address === '' || address.startsWith('unix://') || isIpAddress(address)) return
  if (resolution === 'STATIC') report('LTN0139', [...path, 'address'], { value: address, expected: 'an address (resolution STATIC)' })
  else if (fqdnProblem(address) !== undefined)
    report('LTN0139', [...path, 'address'], { value: address, expected: 'an address or a DNS name' })
}
