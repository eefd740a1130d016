// Service objects become names that clients can call. First pass of compile.
// A port whose protocol is not declared is told by the first bytes of each connection; what that costs, validation says (LTN0148).
import { type Finding, finding } from '../../api/finding.ts'
import type { Service, ServicePort as ServicePortSpec } from '../../api/generated/service.gen.ts'
import { type MeshSettings, serviceHostname } from '../../model/mesh-settings.ts'
import { familyOf, type MeshService, type ServicePort } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import { originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { protocolOf } from './protocol.ts'
import { Remembered } from './remembered.ts'
import { annotatedExportTo, visibilityOf } from './visibility.ts'

export const services = definePass({
  kinds: ['Service'],
  reads: [],
  create: () => {
    const compiled = new Remembered(compileService)
    return ({ objects, settings, capture }) => {
      const compile = compiled.round()
      const made = [...objects.Service].map(([key, object]) => compile(key, object, settings, capture))
      return {
        services: new Map(made.map(({ service }) => [service.hostname, service])),
        selectors: new Map(made.flatMap(({ service, selector }) => (selector === undefined ? [] : [[service.hostname, selector]]))),
        aliases: new Map(made.flatMap(({ service, alias }) => (alias === undefined ? [] : [[service.hostname, alias]]))),
        findings: made.flatMap(({ findings }) => findings),
      }
    }
  },
})

interface CompiledService {
  readonly service: MeshService
  /** Undefined: it selects nothing by itself. */
  readonly selector: Readonly<Record<string, string>> | undefined
  /** Of an ExternalName Service: the name that it stands for. */
  readonly alias: string | undefined
  readonly findings: readonly Finding[]
}

function compileService(object: Service, settings: MeshSettings, capture: CompileInput['capture']): CompiledService {
  const { ports, findings } = portsOf(object)
  const service = meshServiceOf(object, ports, settings, capture)
  const { type, externalName = '', selector = {} } = object.spec
  if (type === 'ExternalName') return { service, selector: undefined, alias: externalName.toLowerCase(), findings }
  if (Object.keys(selector).length > 0) return { service, selector, alias: undefined, findings }
  return { service, selector: undefined, alias: undefined, findings }
}

function meshServiceOf(
  service: Service,
  ports: readonly ServicePort[],
  settings: MeshSettings,
  capture: CompileInput['capture'],
): MeshService {
  const { clusterIP, clusterIPs } = service.spec
  const addresses = [...new Set([clusterIP ?? '', ...(clusterIPs ?? [])])].filter((address) => address !== '' && address !== 'None')
  // Without a redirect nobody can pick an endpoint's address by itself, so a headless service is balanced like any other.
  const isHeadless = clusterIP === 'None' && capture === 'redirect'
  const { annotations, name, namespace } = service.metadata
  return {
    hostname: serviceHostname(name, namespace, settings),
    name,
    namespace,
    ports,
    addresses,
    resolution: isHeadless ? 'passthrough' : 'endpoints',
    isExternal: false,
    ...familiesOf(service, addresses),
    hasShortNames: true,
    subjectAltNames: [],
    visibility: visibilityOf(annotatedExportTo(annotations), namespace, settings.defaultExportTo.service),
    origin: originOf(service),
  }
}

/** As Kubernetes chooses the addresses of a Service's endpoints. */
function familiesOf({ spec: { ipFamilies } }: Service, addresses: readonly string[]): Pick<MeshService, 'families'> {
  const families = ipFamilies ?? addresses.map(familyOf)
  return families.length === 0 ? {} : { families }
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
    ports.push({ name: port.name ?? '', number: port.port, targetPort: targetPortOf(port), protocol: protocol ?? 'auto' })
  }
  return { ports, findings }
}

function targetPortOf(port: ServicePortSpec): number | string {
  const { targetPort } = port
  return targetPort === undefined || targetPort === 0 || targetPort === '' ? port.port : targetPort
}
