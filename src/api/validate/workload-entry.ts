// What the schema cannot say of workloads outside Kubernetes: WorkloadEntry, WorkloadGroup, and our own LocalWorkload.
import type { LocalWorkload } from '../generated/local-workload.gen.ts'
import type { WorkloadEntry } from '../generated/workload-entry.gen.ts'
import type { WorkloadGroup } from '../generated/workload-group.gen.ts'
import type { Report } from '../report.ts'
import { fqdnProblem, isIpAddress } from './hosts.ts'
import { checkLabels } from './matches.ts'

export function checkWorkloadEntry({ spec }: WorkloadEntry, report: Report): void {
  const { address = '', network = '' } = spec
  checkLabels(spec.labels, ['spec', 'labels'], report)
  if (address === '' && network === '') report('LTN0136', ['spec'], { what: 'a workload', needed: 'address' }, 'key')
  if (address === '' || address.startsWith('unix://') || isIpAddress(address)) return
  if (fqdnProblem(address) !== undefined)
    report('LTN0139', ['spec', 'address'], { value: address, expected: 'an address, a DNS name or a unix:// path' })
}

const PROBES = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const

export function checkWorkloadGroup({ spec }: WorkloadGroup, report: Report): void {
  checkLabels(spec.metadata?.labels, ['spec', 'metadata', 'labels'], report)
  checkLabels(spec.template.labels, ['spec', 'template', 'labels'], report)
  const { probe } = spec
  if (probe !== undefined && PROBES.every((field) => probe[field] === undefined)) {
    report('LTN0115', ['spec', 'probe'], { alternatives: PROBES.join(', ') }, 'key')
  }
}

export function checkLocalWorkload({ metadata, spec }: LocalWorkload, report: Report): void {
  checkLabels(metadata.labels, ['metadata', 'labels'], report)
  const ports = spec.ports ?? []
  const known = new Set(ports.flatMap(({ name, containerPort }) => [String(containerPort), ...(name === undefined ? [] : [name])]))
  ports.forEach(({ containerPort }, index) => {
    const first = ports.findIndex((port) => port.containerPort === containerPort)
    if (first < index) report('LTN0120', ['spec', 'ports', index, 'containerPort'], { value: String(containerPort), first: `[${first}]` })
  })
  for (const field of ['httpGet', 'tcpSocket'] as const) {
    const port = spec.readinessProbe?.[field]?.port
    if (port !== undefined && !known.has(String(port))) {
      report('LTN0136', ['spec', 'readinessProbe', field, 'port'], { what: `the probe of port '${port}'`, needed: 'that port in ports' })
    }
  }
}
