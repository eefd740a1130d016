// The two targets: a jump to one of these chains is what 'captured' means.
import type { CaptureOptions } from '../capture-options.ts'
import { CHAINS, type Rule, rule } from '../rule.ts'

export function redirectRules({ outboundPort, inboundPort, tunnelPort }: CaptureOptions): readonly Rule[] {
  const to = (port: number): string => `REDIRECT --to-ports ${port}`
  return [
    rule('nat', CHAINS.inbound, { protocol: 'tcp', destinationPort: tunnelPort }, 'RETURN', 'the proxy listens on the tunnel port itself'),
    rule('nat', CHAINS.redirect, { protocol: 'tcp' }, to(outboundPort), 'to the outbound listener'),
    rule('nat', CHAINS.inRedirect, { protocol: 'tcp' }, to(inboundPort), 'to the inbound listener'),
  ]
}
