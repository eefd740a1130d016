// What comes to the pod from outside: PREROUTING, in the nat table (REDIRECT) or the mangle table (TPROXY).
// Loopback never comes by here in the nat table: its packets have been through OUTPUT, which is where nat sees a connection once.
import type { CaptureOptions, Family } from '../capture-options.ts'
import { CHAINS, type Rule, rule } from '../rule.ts'
import { tproxyGuardRules, tproxyTargetRules } from './tproxy-rules.ts'

export function inboundRules(options: CaptureOptions, family: Family): readonly Rule[] {
  const { inboundPorts, inboundPortsExcluded, mode } = options
  const isTproxy = mode === 'TPROXY'
  const guards = isTproxy ? tproxyGuardRules(options, family) : []
  if (inboundPorts !== '*' && inboundPorts.length === 0) return guards
  const table = isTproxy ? 'mangle' : 'nat'
  const excluded = inboundPorts === '*' ? inboundPortsExcluded : []
  const ports = inboundPorts === '*' ? [undefined] : inboundPorts
  return [
    ...(isTproxy ? tproxyTargetRules(options, family) : []),
    rule(table, 'PREROUTING', { protocol: 'tcp' }, CHAINS.inbound, 'inbound capture is on'),
    ...guards,
    ...(isTproxy ? [] : [underWayRule()]),
    ...excluded.map((port) =>
      rule(table, CHAINS.inbound, { protocol: 'tcp', destinationPort: port }, 'RETURN', `inbound port ${port} is excluded`),
    ),
    ...ports.flatMap((port) => (isTproxy ? tproxied(port) : [redirected(port)])),
  ]
}

/** Connection tracking begins with the rules: to it, the next packet of a connection that was there before is the first of a new one. The proxy
 *  starts before the rules are set (so that neither waits for the other), and its stream to the control plane would be redirected to itself. */
function underWayRule(): Rule {
  return rule('nat', CHAINS.inbound, { protocol: 'tcp', underWay: true }, 'RETURN', 'a connection that was there before the rules goes on')
}

function redirected(port: number | undefined): Rule {
  return rule('nat', CHAINS.inbound, tcpTo(port), CHAINS.inRedirect, captured(port))
}

function tproxied(port: number | undefined): readonly Rule[] {
  const match = tcpTo(port)
  return [
    rule(
      'mangle',
      CHAINS.inbound,
      { ...match, connectionState: 'RELATED,ESTABLISHED' },
      CHAINS.divert,
      'the rest of a connection that the proxy has',
    ),
    rule('mangle', CHAINS.inbound, match, CHAINS.tproxy, captured(port)),
  ]
}

function tcpTo(port: number | undefined): { readonly protocol: 'tcp'; readonly destinationPort?: number } {
  return { protocol: 'tcp', ...(port === undefined ? {} : { destinationPort: port }) }
}

function captured(port: number | undefined): string {
  return port === undefined ? 'all inbound ports are captured' : `inbound port ${port} is captured`
}
