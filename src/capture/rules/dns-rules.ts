// DNS capture: queries to port 53 go to the proxy's DNS on 15053, and connection tracking keeps the two legs of a query apart.
// Without the zones, the application's query and the proxy's own to the same server can have the same five-tuple, and one is dropped.
import type { CaptureOptions, DnsCapture, Family } from '../capture-options.ts'
import { CHAINS, type Match, type Rule, rule } from '../rule.ts'
import { rangesOf } from './family.ts'

/** Who answers there listens on 127.0.0.1 and ::1: REDIRECT of the pod's own packets leads to loopback, and only its answers fit. */
export const DNS_PORT = 15053

/** The proxy's queries to the servers, and their answers. */
const UPSTREAM_ZONE = 'CT --zone 1'
/** The application's queries, and the proxy's answers. */
const CLIENT_ZONE = 'CT --zone 2'

/** In the nat table: the jump, and the redirects. */
export function dnsRedirectRules({ dns }: CaptureOptions, family: Family): readonly Rule[] {
  const servers = serversOf(dns, family)
  if (servers.length === 0) return []
  const redirects = (['tcp', 'udp'] as const).flatMap((protocol) =>
    servers.map((server) =>
      rule(
        'nat',
        CHAINS.outputDns,
        { ...to(server), protocol, destinationPort: 53 },
        `REDIRECT --to-ports ${DNS_PORT}`,
        `DNS queries${server === undefined ? '' : ` to ${server}`} are answered by the proxy`,
      ),
    ),
  )
  return [rule('nat', CHAINS.output, {}, CHAINS.outputDns, 'DNS capture is on'), ...redirects]
}

/** In the raw table. */
export function dnsZoneRules({ dns, proxyUids, proxyGids }: CaptureOptions, family: Family): readonly Rule[] {
  if (dns.kind === 'off') return []
  const owners: readonly Match[] = [...proxyUids.map((uid) => ({ uid })), ...proxyGids.map((gid) => ({ gid }))]
  const servers = serversOf(dns, family)
  return [
    rule('raw', 'OUTPUT', {}, CHAINS.outputDns, 'DNS capture is on'),
    ...owners.flatMap((owner) => [
      outputDns({ protocol: 'udp', destinationPort: 53, ...owner }, UPSTREAM_ZONE, "the proxy's queries"),
      outputDns({ protocol: 'udp', sourcePort: DNS_PORT, ...owner }, CLIENT_ZONE, "the proxy's answers"),
    ]),
    ...(servers.length === 0 ? [] : [rule('raw', 'PREROUTING', {}, CHAINS.inbound, "the servers' answers come in here")]),
    ...servers.flatMap((server) => [
      outputDns({ ...to(server), protocol: 'udp', destinationPort: 53 }, CLIENT_ZONE, "the application's queries"),
      rule(
        'raw',
        CHAINS.inbound,
        { ...(server === undefined ? {} : { source: server }), protocol: 'udp', sourcePort: 53 },
        UPSTREAM_ZONE,
        "the servers' answers",
      ),
    ]),
  ]
}

function outputDns(match: Match, target: string, why: string): Rule {
  return rule('raw', CHAINS.outputDns, match, target, why)
}

/** Undefined stands for every server. */
function serversOf(dns: DnsCapture, family: Family): readonly (string | undefined)[] {
  if (dns.kind === 'off') return []
  return dns.kind === 'all' ? [undefined] : rangesOf(dns.servers, family)
}

function to(server: string | undefined): Match {
  return server === undefined ? {} : { destination: server }
}
