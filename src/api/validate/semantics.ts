// Which kind has checks beyond its schema. One file per kind; each reports as many mistakes as it finds.
import type { CheckOptions } from '../check-options.ts'
import type { AnyApiObject } from '../kinds.ts'
import type { Report } from '../report.ts'
import { checkDestinationRule } from './destination-rule.ts'
import { checkPeerAuthentication } from './peer-authentication.ts'
import { checkService } from './service.ts'
import { checkVirtualService } from './virtual-service.ts'

export function checkSemantics(object: AnyApiObject, report: Report, options: CheckOptions): void {
  switch (object.kind) {
    case 'VirtualService':
      return checkVirtualService(object, report, options)
    case 'DestinationRule':
      return checkDestinationRule(object, report)
    case 'PeerAuthentication':
      return checkPeerAuthentication(object, report)
    case 'Service':
      return checkService(object, report)
    default:
      return
  }
}
