// What a failed iptables call means and what to do about it. Pure: the program's own words stay in the message, at its end.
import type { Ran } from './run-program.ts'

interface Cause {
  readonly when: RegExp
  readonly what: string
}

const CAUSES: readonly Cause[] = [
  {
    when: /Permission denied|Operation not permitted|you must be root/i,
    what: 'this process may not change the network: give the container the capabilities NET_ADMIN and NET_RAW and let it run as root, as an injected init container does, or use capture mode none (explicit proxy)',
  },
  {
    when: /xtables lock|holding the xtables/i,
    what: 'another program holds the lock of iptables for longer than 30 seconds: see who changes rules on this node',
  },
  {
    when: /Read-only file system|xtables\.lock/i,
    what: 'the lock file /run/xtables.lock cannot be written: mount an emptyDir at /run, or use --force-iptables-binary nft, which needs no lock',
  },
  {
    when: /can't initialize|who\?|insmod|Table does not exist|Could not fetch rule set|not supported, missing kernel module|Couldn't load (?:match|target)|No chain\/target\/match|RULE_APPEND failed|Protocol not supported/i,
    what: 'the kernel of this node lacks a module: load ip_tables, iptable_nat, xt_owner, xt_REDIRECT, xt_multiport and xt_comment (legacy; ip6_ for IPv6) or nf_tables, nft_compat and nf_nat (nft) on the node, or choose the other with --force-iptables-binary legacy|nft',
  },
  { when: /timed out|SIGTERM/i, what: 'it did not end in a minute' },
]

/** What, where, why, what to do. */
export function explainFailure(command: string, ran: Ran): string {
  if (ran.kind === 'not-installed') {
    return `${command.split(' ')[0]} is not installed: use the image of Lateen, or install the packages iptables and iproute2`
  }
  const said = ran.errors
    .trim()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# Warning'))
    .join('; ')
  const cause = CAUSES.find(({ when }) => when.test(said))
  const reason = cause === undefined ? 'it refused' : cause.what
  return `${command} failed with code ${ran.code}: ${reason} (it said: ${said === '' ? 'nothing' : said})`
}
