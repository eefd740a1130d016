// What leaves a process of the pod: OUTPUT, nat table. The order is the meaning: every rule sees only what those before it let pass.
// Invariant: nothing that the proxy sends gets as far as the redirects, else its connections would come back to it for ever.
import type { CaptureOptions, Family } from '../capture-options.ts'
import { CHAINS, type Match, type Rule, rule } from '../rule.ts'
import { dnsRedirectRules } from './dns-rules.ts'
import { loopbackOf, passthroughSource, rangesOf } from './family.ts'

type Part = (options: CaptureOptions, family: Family) => readonly Rule[]

const parts: readonly Part[] = [
  excludedPorts, // before calls to oneself are looked at: an excluded port is excluded on loopback too
  passthrough, // the proxy hands an inbound connection to the application
  proxyUsers, // the proxy's own traffic, and the application's over loopback
  proxyGroups, // the same by group
  otherGroups, // groups that the user leaves out
  dnsRedirectRules, // before loopback is let pass: a DNS server may live there
  loopback, // containers that talk over localhost
  excludedRanges, // before the inclusions
  includedPorts, // whatever the address
  includedRanges, // the rest falls through and is not captured
]

export function outboundRules(options: CaptureOptions, family: Family): readonly Rule[] {
  const jump = rule('nat', 'OUTPUT', {}, CHAINS.output, 'every connection that starts in the pod; UDP only for DNS')
  return [jump, ...parts.flatMap((part) => part(options, family))]
}

function output(match: Match, target: string, why: string): Rule {
  return rule('nat', CHAINS.output, match, target, why)
}

function excludedPorts({ outboundPortsExcluded }: CaptureOptions): readonly Rule[] {
  return outboundPortsExcluded.flatMap((port) =>
    (['tcp', 'udp'] as const).map((protocol) => output({ protocol, destinationPort: port }, 'RETURN', `outbound port ${port} is excluded`)),
  )
}

function passthrough(_options: CaptureOptions, family: Family): readonly Rule[] {
  return [output({ source: passthroughSource(family), outInterface: 'lo' }, 'RETURN', 'the proxy hands inbound traffic to the application')]
}

function proxyUsers(options: CaptureOptions, family: Family): readonly Rule[] {
  // With DNS capture, not port 53: application -> proxy's DNS -> server, and not through the inbound listener in between.
  const exceptPorts: Match =
    options.dns.kind === 'off' ? { notDestinationPort: options.tunnelPort } : { notDestinationPorts: [53, options.tunnelPort] }
  return options.proxyUids.flatMap((uid) =>
    ownTraffic(options, family, { isProxy: { uid }, isOther: { notUid: uid }, exceptPorts, who: `user ${uid}` }),
  )
}

function proxyGroups(options: CaptureOptions, family: Family): readonly Rule[] {
  const exceptPorts: Match = { notDestinationPort: options.tunnelPort }
  return options.proxyGids.flatMap((gid) =>
    ownTraffic(options, family, { isProxy: { gid }, isOther: { notGids: [gid] }, exceptPorts, who: `group ${gid}` }),
  )
}

interface Owner {
  readonly isProxy: Match
  readonly isOther: Match
  readonly exceptPorts: Match
  readonly who: string
}

function ownTraffic(options: CaptureOptions, family: Family, { isProxy, isOther, exceptPorts, who }: Owner): readonly Rule[] {
  const toOwnAddress = { notDestination: loopbackOf(options, family), outInterface: 'lo', protocol: 'tcp' } as const
  // A user who includes loopback wants it captured.
  const { outboundRanges } = options
  const capturesLoopback = outboundRanges !== '*' && outboundRanges.some(({ isLoopback }) => isLoopback)
  const overLoopback: Match =
    options.dns.kind === 'off'
      ? { outInterface: 'lo', ...isOther }
      : { outInterface: 'lo', protocol: 'tcp', notDestinationPort: 53, ...isOther }
  return [
    output({ ...toOwnAddress, ...exceptPorts, ...isProxy }, CHAINS.inRedirect, `the application calls its own service: ${who} to inbound`),
    ...(capturesLoopback ? [] : [output(overLoopback, 'RETURN', `the application calls its own address (not ${who})`)]),
    output(isProxy, 'RETURN', `no loop: what ${who} sends is never captured`),
  ]
}

function otherGroups({ ownerGroups: { kind, gids } }: CaptureOptions): readonly Rule[] {
  if (kind === 'all-but') return gids.map((gid) => output({ gid }, 'RETURN', `group ${gid} is excluded`))
  return [output({ notGids: gids }, 'RETURN', 'only the included groups are captured')]
}

function loopback(options: CaptureOptions, family: Family): readonly Rule[] {
  return [output({ destination: loopbackOf(options, family) }, 'RETURN', 'containers of the pod talk over localhost')]
}

function excludedRanges({ outboundRangesExcluded }: CaptureOptions, family: Family): readonly Rule[] {
  return rangesOf(outboundRangesExcluded, family).map((range) => output({ destination: range }, 'RETURN', `range ${range} is excluded`))
}

function includedPorts({ outboundPorts }: CaptureOptions): readonly Rule[] {
  return outboundPorts.map((port) =>
    output({ protocol: 'tcp', destinationPort: port }, CHAINS.redirect, `outbound port ${port} is captured`),
  )
}

function includedRanges({ outboundRanges }: CaptureOptions, family: Family): readonly Rule[] {
  if (outboundRanges === '*') return [output({}, CHAINS.redirect, 'everything else is captured')]
  return rangesOf(outboundRanges, family).map((range) => output({ destination: range }, CHAINS.redirect, `range ${range} is captured`))
}
