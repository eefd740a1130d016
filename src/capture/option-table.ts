// The options of `lateen iptables` as one table: reading, --help and docs/capture.md come from it, so that they cannot differ.
// Names, short forms and variables are those of istio-iptables: an injection template that was written for it works unchanged.

export interface OptionRow {
  readonly name: OptionName
  readonly short?: string
  /** Undefined: a switch. */
  readonly value?: string
  /** Besides the name in capitals with underscores. */
  readonly alsoEnv?: readonly string[]
  /** No flag, as in istio-iptables. */
  readonly onlyEnv?: true
  readonly initial?: string
  readonly help: string
  /** Taken, so that templates go on working, and answered with this warning. */
  readonly notInForce?: string
}

export type OptionName = (typeof NAMES)[number]

const NAMES = [
  'envoy-port',
  'inbound-capture-port',
  'inbound-tunnel-port',
  'proxy-uid',
  'proxy-gid',
  'istio-inbound-interception-mode',
  'istio-inbound-ports',
  'istio-local-exclude-ports',
  'istio-service-cidr',
  'istio-service-exclude-cidr',
  'istio-outbound-ports',
  'istio-local-outbound-ports-exclude',
  'istio-exclude-interfaces',
  'kube-virt-interfaces',
  'istio-outbound-owner-groups',
  'istio-outbound-owner-groups-exclude',
  'istio-outbound-ipv4-loopback-cidr',
  'redirect-dns',
  'capture-all-dns',
  'drop-invalid',
  'istio-inbound-tproxy-mark',
  'istio-inbound-tproxy-route-table',
  'force-iptables-binary',
  'force-apply',
  'skip-rule-apply',
  'run-validation',
  'verify',
  'iptables-probe-port',
  'probe-timeout',
  'await-proxy',
  'dry-run',
  'cleanup-only',
  'cleanup',
  'help',
  'reconcile',
  'dual-stack',
  'envoy-user',
  'network-namespace',
  'cni-mode',
  'native-nftables',
  'iptables-trace-logging',
  'restore-format',
  'log_output_level',
  'log_as_json',
] as const

export const OPTION_TABLE: readonly OptionRow[] = [
  { name: 'envoy-port', short: 'p', value: 'PORT', initial: '15001', help: 'Where captured outbound connections go' },
  { name: 'inbound-capture-port', short: 'z', value: 'PORT', initial: '15006', help: 'Where captured inbound connections go' },
  { name: 'inbound-tunnel-port', short: 'e', value: 'PORT', initial: '15008', help: 'HBONE: never captured' },
  { name: 'proxy-uid', short: 'u', value: 'UID,..', initial: '1337', help: "The proxy's users: their connections are not captured" },
  { name: 'proxy-gid', short: 'g', value: 'GID,..', initial: 'as proxy-uid', help: "The proxy's groups" },
  {
    name: 'istio-inbound-interception-mode',
    short: 'm',
    value: 'MODE',
    initial: 'REDIRECT',
    help: 'REDIRECT; TPROXY only with --dry-run: our proxy does not serve it',
  },
  { name: 'istio-inbound-ports', short: 'b', value: 'PORT,..', initial: 'none', help: "Inbound ports to capture, or '*' for all" },
  { name: 'istio-local-exclude-ports', short: 'd', value: 'PORT,..', initial: 'none', help: "Inbound ports not to capture; only with '*'" },
  { name: 'istio-service-cidr', short: 'i', value: 'CIDR,..', initial: 'none', help: "Outbound ranges to capture, or '*' for all" },
  { name: 'istio-service-exclude-cidr', short: 'x', value: 'CIDR,..', initial: 'none', help: 'Outbound ranges not to capture' },
  { name: 'istio-outbound-ports', short: 'q', value: 'PORT,..', initial: 'none', help: 'Outbound ports to capture, whatever the address' },
  {
    name: 'istio-local-outbound-ports-exclude',
    short: 'o',
    value: 'PORT,..',
    initial: 'none',
    help: 'Outbound ports not to capture, TCP and UDP',
  },
  { name: 'istio-exclude-interfaces', short: 'c', value: 'NAME,..', initial: 'none', help: 'Interfaces of which nothing is captured' },
  {
    name: 'kube-virt-interfaces',
    short: 'k',
    value: 'NAME,..',
    initial: 'none',
    help: 'Interfaces of virtual machines: what comes in there is outbound traffic',
  },
  {
    name: 'istio-outbound-owner-groups',
    value: 'GROUP,..',
    onlyEnv: true,
    initial: '*',
    help: "Groups whose outbound connections are captured, by name or number, or '*'",
  },
  {
    name: 'istio-outbound-owner-groups-exclude',
    value: 'GROUP,..',
    onlyEnv: true,
    initial: 'none',
    help: 'Groups whose outbound connections are not captured',
  },
  {
    name: 'istio-outbound-ipv4-loopback-cidr',
    value: 'CIDR',
    onlyEnv: true,
    initial: '127.0.0.1/32',
    help: "What counts as the application's own loopback (IPv4)",
  },
  {
    name: 'redirect-dns',
    alsoEnv: ['ISTIO_META_DNS_CAPTURE'],
    initial: 'false',
    help: "Send DNS queries to the servers of /etc/resolv.conf to the proxy's port 15053",
  },
  { name: 'capture-all-dns', initial: 'false', help: 'With redirect-dns: queries to any server' },
  { name: 'drop-invalid', alsoEnv: ['INVALID_DROP'], initial: 'false', help: 'Drop packets out of their window instead of resetting' },
  { name: 'istio-inbound-tproxy-mark', short: 't', value: 'MARK', initial: '1337', help: 'TPROXY: mark of captured packets' },
  { name: 'istio-inbound-tproxy-route-table', short: 'r', value: 'TABLE', initial: '133', help: 'TPROXY: route table of marked packets' },
  { name: 'force-iptables-binary', value: 'nft|legacy', initial: 'detected', help: 'Which iptables to use' },
  { name: 'force-apply', initial: 'false', help: 'Apply the rules even when they are in place' },
  { name: 'skip-rule-apply', initial: 'false', help: 'Change nothing; with verify: only check' },
  { name: 'run-validation', initial: 'false', help: "Istio's name of verify" },
  {
    name: 'verify',
    initial: 'false',
    help: 'Make connections that the rules must redirect; exit code 126 when one is not',
  },
  { name: 'iptables-probe-port', value: 'PORT', initial: '15002', help: 'Port that verify connects to' },
  { name: 'probe-timeout', value: 'TIME', initial: '5s', help: 'How long verify tries' },
  {
    name: 'await-proxy',
    value: 'PORT',
    initial: 'none',
    help: "Then wait until the pod's proxy is ready, which this port says; without end",
  },
  { name: 'dry-run', short: 'n', initial: 'false', help: 'Print the rules with their reasons and change nothing' },
  { name: 'cleanup-only', initial: 'false', help: "Istio's name of cleanup" },
  { name: 'cleanup', initial: 'false', help: 'Remove everything that this program made, and nothing else' },
  { name: 'help', short: 'h', help: 'This text' },
  {
    name: 'reconcile',
    help: 'Always on: rules that differ are replaced in one step',
  },
  { name: 'dual-stack', alsoEnv: ['ISTIO_DUAL_STACK'], help: 'Always on: IPv4 and IPv6 are set up wherever the kernel has them' },
  {
    name: 'envoy-user',
    value: 'NAME',
    onlyEnv: true,
    help: "Name of the proxy's user",
    notInForce: 'user names of another image mean nothing here; give the number with proxy-uid',
  },
  {
    name: 'network-namespace',
    value: 'PATH',
    help: 'Network namespace to work in',
    notInForce: 'run this program in the namespace instead: nsenter --net=PATH lateen iptables ...',
  },
  { name: 'cni-mode', help: 'Called by a CNI plug-in', notInForce: 'there is no CNI plug-in; the rules are made as for an init container' },
  {
    name: 'native-nftables',
    help: 'Use nft instead of iptables',
    notInForce: 'rules go through iptables-nft, which writes to the same nf_tables',
  },
  {
    name: 'iptables-trace-logging',
    help: 'Log every rule that matches',
    notInForce: 'counters say the same: iptables-save -c',
  },
  { name: 'restore-format', short: 'f', help: 'Print in the format of iptables-restore', notInForce: 'it is the only format' },
  { name: 'log_output_level', value: 'LEVELS', help: "Istio's log levels", notInForce: 'what is done is always said' },
  { name: 'log_as_json', help: 'Log as JSON', notInForce: 'what is done is written as text' },
]

/** All variables that set an option, the first one that is set wins. HELP, VERIFY and CLEANUP may be another program's. */
export function variablesOf({ name, alsoEnv }: OptionRow): readonly string[] {
  const own = ['help', 'verify', 'cleanup'].includes(name) ? [] : [name.toUpperCase().replaceAll('-', '_')]
  return [...own, ...(alsoEnv ?? [])]
}

export function flagOf({ name, short, value, onlyEnv }: OptionRow): string {
  if (onlyEnv === true) return `(${name.toUpperCase().replaceAll('-', '_')})`
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
}

export function captureHelp(): string {
  const line = (row: OptionRow): string => {
    const flag = flagOf(row)
    const form = row.short === undefined && row.onlyEnv !== true ? `    ${flag}` : flag
    const initial = row.initial === undefined ? '' : ` (${row.initial})`
    const also = row.alsoEnv === undefined ? '' : ` [also ${row.alsoEnv.join(', ')}]`
    return `  ${form.padEnd(46)} ${row.help}${initial}${also}`
  }
  const inForce = OPTION_TABLE.filter(({ notInForce }) => notInForce === undefined)
  const others = OPTION_TABLE.filter(({ notInForce }) => notInForce !== undefined)
  return [
    'Usage: lateen iptables [options]',
    '',
    "Redirects a pod's connections to its proxy, in the network namespace in which it runs. Needs NET_ADMIN and NET_RAW.",
    "Typical, as an init container: lateen iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -b '*' -d 15090,15021,15020",
    'Every option is also a variable: --istio-service-cidr is ISTIO_SERVICE_CIDR; in parentheses: a variable only.',
    '',
    ...inForce.map(line),
    '',
    'Taken for compatibility with istio-iptables and answered with a warning:',
    ...others.map(line),
    '',
    'Exit codes: 0 done (or nothing to do), 1 not done (the message says why), 126 verify found a connection that is not redirected.',
    '',
  ].join('\n')
}
