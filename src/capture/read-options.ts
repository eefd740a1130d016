// Flags and environment -> what to capture and what to do. All mistakes at once, each with its place. Pure: files come in as text.
// Invariant: a range or port that cannot be read is an error and never left out; left out, it would be traffic around the policies.
import { parseArgs } from 'node:util'
import { parseDurationMs } from '../base/duration.ts'
import { type Problem, type Result, succeed } from '../base/result.ts'
import { suggest } from '../base/suggest.ts'
import {
  type CaptureOptions,
  type CaptureRange,
  DEFAULT_OPTIONS,
  type DnsCapture,
  type OwnerGroups,
  type RangeList,
} from './capture-options.ts'
import type { FlavourName } from './flavour.ts'
import { flagOf, OPTION_TABLE, type OptionName, type OptionRow, variablesOf } from './option-table.ts'
import { captureRange } from './range.ts'

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of /etc/resolv.conf, for DNS capture. */
  readonly resolvConf: string
  /** Of /etc/group, for groups by name. */
  readonly groupFile: string
}

export interface CaptureRequest {
  readonly capture: CaptureOptions
  readonly action: 'apply' | 'skip' | 'dry-run' | 'cleanup'
  readonly verify: { readonly probePort: number; readonly timeoutMs: number } | undefined
  readonly forcedFlavour: FlavourName | undefined
  readonly forceApply: boolean
  /** Port that says whether the proxy is ready; undefined: it is not waited for. */
  readonly awaitProxyOn: number | undefined
  readonly warnings: readonly string[]
}

/** iptables' own limit for one rule is far above; Istio's is this. */
const MAX_GROUPS = 64
const MAX_ID = 2 ** 32 - 1

export function readCaptureRequest(argv: readonly string[], surroundings: Surroundings): Result<CaptureRequest | 'help'> {
  const given = readValues(argv, surroundings.env)
  if (!given.ok) return given
  const reader = new Reader(given.value)
  if (reader.isOn('help')) return succeed('help')
  const capture = readCapture(reader, surroundings)
  const action = readAction(reader)
  const request: CaptureRequest = {
    capture,
    action,
    verify: reader.isOn('verify') || reader.isOn('run-validation') ? readVerify(reader) : undefined,
    forcedFlavour: reader.oneOf('force-iptables-binary', ['nft', 'legacy'] as const),
    forceApply: reader.isOn('force-apply'),
    awaitProxyOn: reader.port('await-proxy'),
    warnings: [...notInForce(given.value), ...reader.warnings, ...doubts(capture, action)],
  }
  if (capture.mode === 'TPROXY' && action === 'apply') {
    reader.wrong(
      'istio-inbound-interception-mode',
      'the proxy of Lateen does not serve TPROXY: use REDIRECT, or --dry-run to see the rules',
    )
  }
  if (given.value.has('network-namespace')) reader.wrong('network-namespace', 'is not in force: run this program in the namespace instead')
  return reader.problems.length === 0 ? succeed(request) : { ok: false, problems: reader.problems }
}

function readCapture(reader: Reader, { resolvConf, groupFile }: Surroundings): CaptureOptions {
  const proxyUids = reader.ids('proxy-uid') ?? DEFAULT_OPTIONS.proxyUids
  const inbound = reader.text('istio-inbound-ports')
  return {
    mode: reader.oneOf('istio-inbound-interception-mode', ['REDIRECT', 'TPROXY'] as const) ?? DEFAULT_OPTIONS.mode,
    outboundPort: reader.port('envoy-port') ?? DEFAULT_OPTIONS.outboundPort,
    inboundPort: reader.port('inbound-capture-port') ?? DEFAULT_OPTIONS.inboundPort,
    tunnelPort: reader.port('inbound-tunnel-port') ?? DEFAULT_OPTIONS.tunnelPort,
    proxyUids,
    proxyGids: reader.ids('proxy-gid') ?? proxyUids,
    inboundPorts: inbound === '*' ? '*' : reader.ports('istio-inbound-ports'),
    inboundPortsExcluded: reader.ports('istio-local-exclude-ports'),
    outboundPorts: reader.ports('istio-outbound-ports'),
    outboundPortsExcluded: reader.ports('istio-local-outbound-ports-exclude'),
    outboundRanges: readRanges(reader),
    outboundRangesExcluded: reader.ranges('istio-service-exclude-cidr'),
    interfacesExcluded: reader.interfaces('istio-exclude-interfaces'),
    virtualInterfaces: reader.interfaces('kube-virt-interfaces'),
    ownerGroups: readGroups(reader, groupFile),
    dns: readDns(reader, resolvConf),
    dropsInvalid: reader.isOn('drop-invalid'),
    loopback4: readLoopback(reader),
    tproxyMark: reader.id('istio-inbound-tproxy-mark') ?? DEFAULT_OPTIONS.tproxyMark,
    tproxyRouteTable: reader.id('istio-inbound-tproxy-route-table') ?? DEFAULT_OPTIONS.tproxyRouteTable,
  }
}

function readAction(reader: Reader): CaptureRequest['action'] {
  if (reader.isOn('dry-run')) return 'dry-run'
  if (reader.isOn('cleanup') || reader.isOn('cleanup-only')) return 'cleanup'
  return reader.isOn('skip-rule-apply') ? 'skip' : 'apply'
}

function readVerify(reader: Reader): CaptureRequest['verify'] {
  const time = parseDurationMs(reader.text('probe-timeout') ?? '5s')
  if (!time.ok || time.value <= 0) reader.wrong('probe-timeout', "is not a time; write for example '5s'")
  return { probePort: reader.port('iptables-probe-port') ?? 15002, timeoutMs: time.ok ? time.value : 0 }
}

function readRanges(reader: Reader): RangeList {
  return reader.text('istio-service-cidr') === '*' ? '*' : reader.ranges('istio-service-cidr')
}

function readLoopback(reader: Reader): string {
  const [range, ...more] = reader.ranges('istio-outbound-ipv4-loopback-cidr')
  if (range === undefined) return DEFAULT_OPTIONS.loopback4
  if (more.length > 0 || range.family !== 4 || !range.isLoopback) {
    reader.wrong('istio-outbound-ipv4-loopback-cidr', 'must be one range inside 127.0.0.0/8')
  }
  return range.text
}

function readGroups(reader: Reader, groupFile: string): OwnerGroups {
  const included = reader.list('istio-outbound-owner-groups').filter((name) => name !== '*')
  const excluded = reader.list('istio-outbound-owner-groups-exclude')
  const gids = (names: readonly string[], from: OptionName): readonly number[] =>
    names.flatMap((name) => {
      const gid = groupId(name, groupFile)
      if (gid === undefined) reader.wrong(from, `group '${name}' is neither a number nor in /etc/group`)
      return gid ?? []
    })
  if (included.length > 0 && excluded.length > 0) {
    reader.wrong('istio-outbound-owner-groups', 'groups are either included or excluded: one of the two variables must be empty')
  }
  if (included.length > MAX_GROUPS) reader.wrong('istio-outbound-owner-groups', `at most ${MAX_GROUPS} groups`)
  return included.length > 0
    ? { kind: 'only', gids: gids(included, 'istio-outbound-owner-groups') }
    : { kind: 'all-but', gids: gids(excluded, 'istio-outbound-owner-groups-exclude') }
}

function groupId(name: string, groupFile: string): number | undefined {
  if (/^\d+$/.test(name) && Number(name) <= MAX_ID) return Number(name)
  const row = groupFile.split('\n').find((line) => line.startsWith(`${name}:`))
  const gid = Number(row?.split(':')[2] ?? Number.NaN)
  return Number.isInteger(gid) ? gid : undefined
}

function readDns(reader: Reader, resolvConf: string): DnsCapture {
  if (!reader.isOn('redirect-dns')) return { kind: 'off' }
  if (reader.isOn('capture-all-dns')) return { kind: 'all' }
  const named = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address)
  const servers = named.flatMap((address) => captureRange(address) ?? [])
  if (servers.length === 0) {
    reader.warnings.push('redirect-dns is off: /etc/resolv.conf names no server that a rule can name; capture-all-dns needs none')
    return { kind: 'off' }
  }
  return { kind: 'servers', servers }
}

function doubts(
  { mode, dns, inboundPorts, outboundRanges, outboundPorts }: CaptureOptions,
  action: CaptureRequest['action'],
): readonly string[] {
  if (action === 'cleanup' || action === 'skip') return []
  const isNothing = inboundPorts.length === 0 && outboundRanges.length === 0 && outboundPorts.length === 0
  return [
    ...(mode === 'TPROXY' ? ['TPROXY is printed and not applied: the proxy of Lateen does not serve it; use REDIRECT'] : []),
    ...(dns.kind === 'off' ? [] : ['redirect-dns: the proxy of Lateen does not answer DNS yet; queries to port 15053 go unanswered']),
    ...(isNothing ? ["nothing is captured: give the inbound ports (-b '*') and the outbound ranges (-i '*')"] : []),
  ]
}

function notInForce(values: ReadonlyMap<OptionName, string>): readonly string[] {
  return OPTION_TABLE.flatMap(({ name, notInForce: reason }) =>
    reason === undefined || !values.has(name) || values.get(name) === 'false' ? [] : [`${name} is not in force: ${reason}`],
  )
}

/** The command line first, then the environment; an empty variable is no value. */
function readValues(argv: readonly string[], env: Surroundings['env']): Result<ReadonlyMap<OptionName, string>> {
  const flags = OPTION_TABLE.filter(({ onlyEnv }) => onlyEnv !== true)
  const options = flags.map(({ name, short, value }) => [
    name,
    { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short === undefined ? {} : { short }) },
  ])
  const problems: Problem[] = []
  const values = new Map<OptionName, string>()
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      problems.push({ path: '', message: `unexpected argument '${token.value}'; quote the star: -b '*'` })
      continue
    }
    const row = flags.find(({ name }) => name === token.name)
    if (row === undefined) problems.push({ path: '', message: unknownOption(token.rawName, flags) })
    else if (row.value !== undefined && token.value === undefined) problems.push({ path: flagOf(row), message: 'needs a value' })
    else values.set(row.name, token.value ?? 'true')
  }
  for (const row of OPTION_TABLE) {
    const variable = variablesOf(row).find((name) => (env[name] ?? '') !== '')
    if (!values.has(row.name) && variable !== undefined) values.set(row.name, env[variable] ?? '')
  }
  return problems.length === 0 ? succeed(values) : { ok: false, problems }
}

function unknownOption(rawName: string, flags: readonly OptionRow[]): string {
  const near = suggest(
    rawName.replace(/^-+/, ''),
    flags.map(({ name }) => name),
  )
  return `unknown option '${rawName}'${near === undefined ? '; see --help' : `; did you mean '--${near}'?`}`
}

/** Typed access to the values; every mistake is collected. */
class Reader {
  readonly problems: Problem[] = []
  readonly warnings: string[] = []
  readonly #values: ReadonlyMap<OptionName, string>

  constructor(values: ReadonlyMap<OptionName, string>) {
    this.#values = values
  }

  wrong(name: OptionName, message: string): void {
    this.problems.push({ path: name, message })
  }

  text(name: OptionName): string | undefined {
    const value = this.#values.get(name)?.trim()
    return value === '' ? undefined : value
  }

  isOn(name: OptionName): boolean {
    const value = this.text(name)?.toLowerCase()
    if (value === undefined || ['false', 'f', '0'].includes(value)) return false
    if (!['true', 't', '1'].includes(value)) this.wrong(name, `'${value}' is neither true nor false`)
    return true
  }

  list(name: OptionName): readonly string[] {
    const items = (this.text(name) ?? '').split(',').map((item) => item.trim())
    return [...new Set(items.filter((item) => item !== ''))]
  }

  oneOf<T extends string>(name: OptionName, allowed: readonly T[]): T | undefined {
    const value = this.text(name)
    const found = allowed.find((each) => each === value)
    if (value !== undefined && found === undefined) this.wrong(name, `'${value}' is none of ${allowed.join(', ')}`)
    return found
  }

  port(name: OptionName): number | undefined {
    const [port] = this.ports(name)
    return port
  }

  ports(name: OptionName): readonly number[] {
    return this.#numbers(name, 1, 65_535, "a port, 1 to 65535 ('*' stands alone, and only for inbound ports)")
  }

  id(name: OptionName): number | undefined {
    return this.ids(name)?.[0]
  }

  ids(name: OptionName): readonly number[] | undefined {
    const ids = this.#numbers(name, 0, MAX_ID, 'a number')
    return ids.length === 0 ? undefined : ids
  }

  ranges(name: OptionName): readonly CaptureRange[] {
    const known = new Map<string, CaptureRange>()
    for (const item of this.list(name)) {
      const range = captureRange(item)
      if (range === undefined) this.wrong(name, `'${item}' is no address range such as 10.0.0.0/8 or fd00::/8${starHint(name)}`)
      else known.set(range.text, range)
    }
    return [...known.values()]
  }

  interfaces(name: OptionName): readonly string[] {
    const names = this.list(name)
    // Linux: at most 15 bytes, no slash or white space; iptables: '+' at the end stands for any rest, '!' would negate.
    for (const each of names) if (!/^[^\s/!"'\\-][^\s/!"'\\]{0,14}$/.test(each)) this.wrong(name, `'${each}' is no name of an interface`)
    return names
  }

  #numbers(name: OptionName, least: number, most: number, what: string): readonly number[] {
    return this.list(name).flatMap((item) => {
      const number = /^\d{1,10}$/.test(item) ? Number(item) : Number.NaN
      if (number >= least && number <= most) return number
      this.wrong(name, `'${item}' is not ${what}`)
      return []
    })
  }
}

function starHint(name: OptionName): string {
  return name === 'istio-service-cidr' ? " ('*' stands alone)" : ''
}
