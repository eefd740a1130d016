// What the schema cannot say of a PeerAuthentication. The rule on portLevelMtls and the selector is CEL and already checked.
import type { PeerAuthentication } from '../generated/peer-authentication.gen.ts'
import type { Report } from '../report.ts'
import { checkSelector } from './matches.ts'

export function checkPeerAuthentication({ spec }: PeerAuthentication, report: Report): void {
  checkSelector(spec.selector, ['spec', 'selector'], report)
}
