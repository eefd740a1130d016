// Service objects become names that clients can call. First pass of compile.
// A port whose protocol is not declared is forwarded as TCP: guessing HTTP would break a database, forwarding HTTP unread only
// leaves its routes out of force, and validation says so (LTN0148).
import { type Finding, finding } from '../../api/finding.ts'
import type { Service, ServicePort as ServicePortSpec } from '../../api/generated/service.gen.ts'
import { serviceHostname } from '../../model/mesh-settings.ts'
import type { MeshService, ServicePort } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import { type MeshDraft, originOf } from './mesh-draft.ts'
import { protocolOf } from './protocol.ts'
import { annotatedExportTo, visibilityOf } from './visibility.ts'

export function services(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  for (const service of input.state.objects.Service.values()) {
    const { ports, findings: ofPorts } = portsOf(service)
    findings.push(...ofPorts)
    const hostname = serviceHostname(service.metadata.name, service.metadata.namespace, input.settings)
    draft.services.set(hostname, meshServiceOf(service, hostname, ports, input))
    if (service.spec.type === 'ExternalName') {
      draft.aliases.set(hostname, (service.spec.externalName ?? '').toLowerCase())
      continue
    }
    const { selector = {} } = service.spec
    if (Object.keys(selector).length > 0) draft.selectors.set(hostname, selector)
    else findings.push(finding('LTN0230', service, 'spec', { service: service.metadata.name }))
  }
  return findings
}

function meshServiceOf(service: Service, hostname: string, ports: readonly ServicePort[], input: CompileInput): MeshService {
  const { clusterIP, clusterIPs } = service.spec
  const addresses = [...new Set([clusterIP ?? '', ...(clusterIPs ?? [])])].filter((address) => address !== '' && address !== 'None')
  // Without a redirect nobody can pick an endpoint's address by itself, so a headless service is balanced like any other.
  const isHeadless = clusterIP === 'None' && input.capture === 'redirect'
  const { annotations, namespace } = service.metadata
  return {
    hostname,
    name: service.metadata.name,
    namespace,
    ports,
    addresses,
    resolution: isHeadless ? 'passthrough' : 'endpoints',
    isExternal: false,
    hasShortNames: true,
    subjectAltNames: [],
    visibility: visibilityOf(annotatedExportTo(annotations), namespace, input.settings.defaultExportTo.service),
    origin: originOf(service),
  }
}

function portsOf(service: Service): { readonly ports: readonly ServicePort[]; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const ports: ServicePort[] = []
  for (const [index, port] of (service.spec.ports ?? []).entries()) {
    const path = `spec.ports[${index}]`
    if (port.protocol !== undefined && port.protocol !== 'TCP') {
      findings.push(finding('LTN0102', service, `${path}.protocol`, { field: port.protocol }))
      continue
    }
    const protocol = protocolOf({ name: port.name ?? '', appProtocol: port.appProtocol, number: port.port })
    ports.push({ name: port.name ?? '', number: port.port, targetPort: targetPortOf(port), protocol: protocol ?? 'tcp' })
  }
  return { ports, findings }
}

function targetPortOf(port: ServicePortSpec): number | string {
  const { targetPort } = port
  return targetPort === undefined || targetPort === 0 || targetPort === '' ? port.port : targetPort
}
