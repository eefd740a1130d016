// From options to rules: every rule of one address family, in the order in which it is added. Pure; the order is Istio's (istio-api
// reference, chapter 4), because each rule relies on what those before it have let pass.
import type { CaptureOptions, Family } from '../capture-options.ts'
import type { Rule } from '../rule.ts'
import { dnsZoneRules } from './dns-rules.ts'
import { inboundRules } from './inbound-rules.ts'
import { dropInvalidRules, excludedInterfaceRules, virtualInterfaceRules } from './interface-rules.ts'
import { outboundRules } from './outbound-rules.ts'
import { redirectRules } from './redirect-rules.ts'
import { tproxyMarkRules } from './tproxy-rules.ts'

type Contributor = (options: CaptureOptions, family: Family) => readonly Rule[]

const contributors: readonly Contributor[] = [
  excludedInterfaceRules, // first in PREROUTING and OUTPUT: nothing of these interfaces is captured
  virtualInterfaceRules, // at the head of PREROUTING: what a virtual machine sends is outbound, not inbound
  dropInvalidRules, // before anything answers a packet out of its window with a reset
  redirectRules, // the targets
  inboundRules, // PREROUTING
  outboundRules, // OUTPUT
  dnsZoneRules, // the raw table, before connection tracking
  tproxyMarkRules, // only in mode TPROXY
]

export function captureRules(options: CaptureOptions, family: Family): readonly Rule[] {
  return contributors.flatMap((contribute) => contribute(options, family))
}
