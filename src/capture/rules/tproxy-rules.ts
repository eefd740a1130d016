// Mode TPROXY: inbound connections reach the proxy with their addresses unchanged, by a mark and policy routing instead of nat.
// The rules are Istio's; our proxy opens no transparent listener, so bin/iptables.ts prints them and does not apply them.
import type { CaptureOptions, Family } from '../capture-options.ts'
import { CHAINS, hex, type Match, type Rule, rule } from '../rule.ts'
import { loopbackOf, passthroughSource } from './family.ts'

/** On what the proxy sends to the pod's own address, so that it is captured as inbound. */
const OUTBOUND_MARK = 1338
const ALL_BITS = '--nfmask 0xffffffff --ctmask 0xffffffff'

export function tproxyTargetRules(options: CaptureOptions, family: Family): readonly Rule[] {
  const { tproxyMark, inboundPort } = options
  const anywhere = family === 4 ? '0.0.0.0' : '::'
  return [
    rule('mangle', CHAINS.divert, {}, setMark(tproxyMark), 'the mark leads to the proxy by the route table'),
    rule('mangle', CHAINS.divert, {}, 'ACCEPT', 'nothing else to decide'),
    rule(
      'mangle',
      CHAINS.tproxy,
      { notDestination: loopbackOf(options, family), protocol: 'tcp' },
      `TPROXY --on-port ${inboundPort} --on-ip ${anywhere} --tproxy-mark ${hex(tproxyMark)}/0xffffffff`,
      'to the inbound listener',
    ),
  ]
}

/** At the head of the inbound chain: what must never be captured a second time. */
export function tproxyGuardRules({ tproxyMark }: CaptureOptions, family: Family): readonly Rule[] {
  const guard = (match: Match, why: string): Rule => rule('mangle', CHAINS.inbound, { protocol: 'tcp', ...match }, 'RETURN', why)
  return [
    guard({ mark: tproxyMark }, 'no loop: the proxy has it already'),
    guard({ source: passthroughSource(family), inInterface: 'lo' }, 'the proxy hands inbound traffic to the application'),
    guard({ inInterface: 'lo', notMark: OUTBOUND_MARK }, 'the application calls its own address'),
  ]
}

export function tproxyMarkRules(options: CaptureOptions, family: Family): readonly Rule[] {
  const { mode, tproxyMark, proxyUids, proxyGids } = options
  if (mode !== 'TPROXY') return []
  const owners: readonly Match[] = [...proxyUids.map((uid) => ({ uid })), ...proxyGids.map((gid) => ({ gid }))]
  const toOwnAddress = { notDestination: loopbackOf(options, family), outInterface: 'lo', protocol: 'tcp' } as const
  return [
    rule('mangle', 'PREROUTING', { protocol: 'tcp', mark: tproxyMark }, `CONNMARK --save-mark ${ALL_BITS}`, 'remembered by the connection'),
    rule('mangle', 'OUTPUT', { outInterface: 'lo', protocol: 'tcp', mark: tproxyMark }, 'RETURN', 'marked already'),
    ...owners.map((owner) =>
      rule('mangle', 'OUTPUT', { ...toOwnAddress, ...owner }, setMark(OUTBOUND_MARK), 'the application calls its own service'),
    ),
    rule(
      'mangle',
      'OUTPUT',
      { protocol: 'tcp', connectionMark: tproxyMark },
      `CONNMARK --restore-mark ${ALL_BITS}`,
      'answers go back through the proxy',
    ),
  ]
}

/** Policy routing that the marks need; printed by --dry-run. */
export function tproxyRouteCommands({ tproxyMark, tproxyRouteTable }: CaptureOptions, family: Family): readonly string[] {
  return [
    `ip -${family} rule add fwmark ${tproxyMark} lookup ${tproxyRouteTable}`,
    `ip -${family} route add local default dev lo table ${tproxyRouteTable}`,
  ]
}

function setMark(mark: number): string {
  return `MARK --set-xmark ${hex(mark)}/0xffffffff`
}
