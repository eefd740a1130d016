// Which kind has checks beyond its schema. One file per kind; each reports as many mistakes as it finds.
import type { CheckOptions } from '../check-options.ts'
import type { AnyApiObject } from '../kinds.ts'
import type { Report } from '../report.ts'
import { checkAnnotations } from './annotations.ts'
import { checkAuthorizationPolicy } from './authorization-policy.ts'
import { checkDestinationRule } from './destination-rule.ts'
import { checkEnvoyFilter } from './envoy-filter.ts'
import { checkGateway } from './gateway.ts'
import { checkMeshConfig } from './mesh-config.ts'
import { checkNamespace } from './namespace.ts'
import { checkPeerAuthentication } from './peer-authentication.ts'
import { checkProxyConfig, checkWasmPlugin } from './proxy-settings.ts'
import { checkRequestAuthentication } from './request-authentication.ts'
import { checkService } from './service.ts'
import { checkServiceEntry } from './service-entry.ts'
import { checkSidecar } from './sidecar.ts'
import { checkTelemetry } from './telemetry.ts'
import { checkVirtualService } from './virtual-service.ts'
import { checkLocalWorkload, checkWorkloadEntry, checkWorkloadGroup } from './workload-entry.ts'

export function checkSemantics(object: AnyApiObject, report: Report, options: CheckOptions): void {
  checkAnnotations(object, report)
  switch (object.kind) {
    case 'VirtualService':
      return checkVirtualService(object, report, options)
    case 'DestinationRule':
      return checkDestinationRule(object, report)
    case 'Gateway':
      return checkGateway(object, report)
    case 'ServiceEntry':
      return checkServiceEntry(object, report)
    case 'Sidecar':
      return checkSidecar(object, report)
    case 'WorkloadEntry':
      return checkWorkloadEntry(object, report)
    case 'WorkloadGroup':
      return checkWorkloadGroup(object, report)
    case 'PeerAuthentication':
      return checkPeerAuthentication(object, report)
    case 'AuthorizationPolicy':
      return checkAuthorizationPolicy(object, report)
    case 'RequestAuthentication':
      return checkRequestAuthentication(object, report)
    case 'Service':
      return checkService(object, report)
    case 'LocalWorkload':
      return checkLocalWorkload(object, report)
    case 'EnvoyFilter':
      return checkEnvoyFilter(object, report, options)
    case 'Telemetry':
      return checkTelemetry(object, report)
    case 'WasmPlugin':
      return checkWasmPlugin(object, report)
    case 'ProxyConfig':
      return checkProxyConfig(object, report)
    case 'MeshConfig':
      return checkMeshConfig(object, report)
    case 'Namespace':
      return checkNamespace(object, report)
    default:
      return
  }
}
