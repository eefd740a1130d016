// Which kind has checks beyond its schema. One file per kind; each reports as many mistakes as it finds.
import type { CheckOptions } from '../check-options.ts'
import type { AnyApiObject } from '../kinds.ts'
import type { Report } from '../report.ts'
import { checkAuthorizationPolicy } from './authorization-policy.ts'
import { checkDestinationRule } from './destination-rule.ts'
import { checkGateway } from './gateway.ts'
import { checkPeerAuthentication } from './peer-authentication.ts'
import { checkRequestAuthentication } from './request-authentication.ts'
import { checkService } from './service.ts'
import { checkServiceEntry } from './service-entry.ts'
import { checkSidecar } from './sidecar.ts'
import { checkVirtualService } from './virtual-service.ts'
import { checkLocalWorkload, checkWorkloadEntry, checkWorkloadGroup } from './workload-entry.ts'

export function checkSemantics(object: AnyApiObject, report: Report, options: CheckOptions): void {
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
    default:
      return
  }
}
