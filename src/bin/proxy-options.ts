// The options of `lateen proxy` as one table: parsing, environment names and --help are read from it, so that they cannot differ.
// No package: the proxy bundle contains none.
import { parseArgs } from 'node:util'
import { parseDurationMs } from '../base/duration.ts'
import type { LogLevel } from '../base/log.ts'
import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { suggest } from '../base/suggest.ts'
import { type AgentSettings, readAgentSettings } from '../envoy/agent-settings.ts'
import { parseMemory } from '../proxy/overload/memory-limit.ts'

interface OptionRow {
  readonly name: string
  readonly short?: string
  /** Undefined: a switch. */
  readonly value?: string
  readonly env: string
  readonly help: string
}

const TABLE: readonly OptionRow[] = [
  { name: 'config-path', short: 'c', value: 'FILE', env: 'LATEEN_CONFIG_PATH', help: 'Envoy v3 bootstrap, JSON or YAML' },
  { name: 'bootstrap', value: 'JSON', env: 'LATEEN_BOOTSTRAP', help: 'The bootstrap itself, where there is no file' },
  { name: 'mode', value: 'MODE', env: 'LATEEN_MODE', help: "'serve' (default), or 'validate': print what is wrong and exit with 0 or 1" },
  { name: 'allow-unsupported', env: 'LATEEN_ALLOW_UNSUPPORTED', help: 'Fields that are not in force: a warning instead of an error' },
  {
    name: 'concurrency',
    value: 'N',
    env: 'LATEEN_CONCURRENCY',
    help: "Data threads (1); more need Linux, about 18 MB each; 0: as many as the container's CPU limit allows",
  },
  { name: 'max-memory', value: 'SIZE', env: 'LATEEN_MAX_MEMORY', help: "Memory to stay below, as '256Mi' (the container's limit)" },
  { name: 'log-level', short: 'l', value: 'LEVEL', env: 'LATEEN_LOG_LEVEL', help: 'trace, debug, info (default), warn, error or off' },
  { name: 'log-format', value: 'FORMAT', env: 'LATEEN_LOG_FORMAT', help: "'text' (default) or 'json'" },
  { name: 'drain-time', value: 'TIME', env: 'LATEEN_DRAIN_TIME', help: 'How long a stop waits for requests under way (5s)' },
  {
    name: 'exit-on-zero-connections',
    env: 'LATEEN_EXIT_ON_ZERO_CONNECTIONS',
    help: 'A stop waits the drain time and then until the last connection has ended',
  },
  { name: 'agent', value: 'JSON', env: 'LATEEN_AGENT', help: 'In a pod: ports for health and metrics, probes (docs/sidecar.md)' },
  {
    name: 'ca-address',
    value: 'HOST:PORT',
    env: 'LATEEN_CA_ADDRESS',
    help: 'Certificate authority; without it only given certificates are used',
  },
  { name: 'ca-root', value: 'FILE', env: 'LATEEN_CA_ROOT', help: "The mesh's root certificates, PEM; watched" },
  {
    name: 'ca-name',
    value: 'NAME',
    env: 'LATEEN_CA_NAME',
    help: "Name in the CA's certificate (the SNI of the bootstrap's xDS cluster, else the host)",
  },
  { name: 'join-token-file', value: 'FILE', env: 'LATEEN_JOIN_TOKEN_FILE', help: 'One-time token for the first certificate' },
  {
    name: 'ca-token-file',
    value: 'FILE',
    env: 'LATEEN_CA_TOKEN_FILE',
    help: 'Token that proves who this is, read anew for every certificate (a projected service account token)',
  },
  { name: 'trust-domain', value: 'DOMAIN', env: 'LATEEN_TRUST_DOMAIN', help: 'Trust domain of the mesh (cluster.local)' },
  { name: 'state', value: 'DIR', env: 'LATEEN_STATE', help: 'Folder that keeps the certificate over a restart' },
  { name: 'help', short: 'h', env: 'LATEEN_HELP', help: 'This text' },
]

export interface ProxyOptions {
  /** A file, or the name of the variable that `bootstrap` is from. */
  readonly configPath: string
  /** The bootstrap's text; undefined: read the file. */
  readonly bootstrap: string | undefined
  readonly mode: 'serve' | 'validate'
  readonly allowUnsupported: boolean
  /** 0: by the CPU limit. */
  readonly concurrency: number
  readonly logLevel: LogLevel
  readonly logFormat: 'text' | 'json'
  /** Undefined: the limit of the container, if it has one. */
  readonly maxMemoryBytes: number | undefined
  readonly drainMs: number
  readonly exitOnZeroConnections: boolean
  /** Undefined: not in a pod. */
  readonly agent: AgentSettings | undefined
  readonly ca: CaOptions | undefined
}

export interface CaOptions {
  readonly host: string
  readonly port: number
  readonly rootPath: string
  readonly name: string | undefined
  readonly joinTokenPath: string | undefined
  readonly tokenPath: string | undefined
  readonly trustDomain: string
  readonly stateFolder: string | undefined
}

export function proxyHelp(): string {
  const rows = TABLE.map(({ name, short, value, env, help }) => {
    const form = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
    return `  ${form.padEnd(28)}${help} [${env}]`
  })
  return ['Usage: npx lateen proxy -c FILE [options]', '', "Runs one workload's proxy from an Envoy v3 bootstrap.", '', ...rows, ''].join(
    '\n',
  )
}

export function parseProxyOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Result<ProxyOptions | 'help'> {
  const values = readValues(argv, env)
  if (!values.ok) return values
  const get = (name: string): string | undefined => values.value.get(name)
  if (get('help') !== undefined) return succeed('help')
  const problems: Problem[] = []
  const wrong = (name: string, message: string): void => void problems.push({ path: `--${name}`, message })
  const bootstrap = get('config-path') === undefined ? get('bootstrap') : undefined
  const configPath = get('config-path') ?? (bootstrap === undefined ? '' : 'LATEEN_BOOTSTRAP')
  if (configPath === '') wrong('config-path', 'is missing: give the bootstrap with -c FILE')
  const concurrency = Number(get('concurrency') ?? '1')
  if (!Number.isInteger(concurrency) || concurrency < 0) wrong('concurrency', 'must be a whole number from 0')
  const maxMemory = get('max-memory')
  const maxMemoryBytes = maxMemory === undefined ? undefined : parseMemory(maxMemory)
  if (maxMemory !== undefined && maxMemoryBytes === undefined) wrong('max-memory', "is not a size; write for example '256Mi'")
  const drainMs = readTime(get('drain-time') ?? '5s')
  if (drainMs === undefined) wrong('drain-time', "is not a time; write for example '5s' or a number of seconds")
  const options = {
    configPath,
    bootstrap,
    mode: oneOf(get('mode') ?? 'serve', ['serve', 'validate'] as const, (message) => wrong('mode', message)),
    allowUnsupported: get('allow-unsupported') !== undefined,
    concurrency,
    logLevel: oneOf(aliasOf(get('log-level') ?? 'info'), ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const, (message) =>
      wrong('log-level', message),
    ),
    logFormat: oneOf(get('log-format') ?? 'text', ['text', 'json'] as const, (message) => wrong('log-format', message)),
    maxMemoryBytes,
    drainMs: drainMs ?? 0,
    exitOnZeroConnections: get('exit-on-zero-connections') !== undefined,
    agent: readAgent(get('agent'), wrong),
    ca: readCa(get, wrong),
  }
  return problems.length === 0 ? succeed(options) : { ok: false, problems }
}

function readAgent(text: string | undefined, wrong: (name: string, message: string) => void): AgentSettings | undefined {
  if (text === undefined) return undefined
  const settings = readAgentSettings(text)
  if (settings.ok) return settings.value
  for (const { path, message } of settings.problems) wrong('agent', path === '' ? message : `${path}: ${message}`)
  return undefined
}

function readCa(get: (name: string) => string | undefined, wrong: (name: string, message: string) => void): CaOptions | undefined {
  const address = get('ca-address')
  if (address === undefined) return undefined
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? []
  if (host === undefined) wrong('ca-address', 'must be HOST:PORT')
  const rootPath = get('ca-root') ?? ''
  if (rootPath === '') wrong('ca-root', 'is missing: without the roots the CA cannot be verified')
  return {
    host: host ?? '',
    port: Number(port),
    rootPath,
    name: get('ca-name'),
    joinTokenPath: get('join-token-file'),
    tokenPath: get('ca-token-file'),
    trustDomain: get('trust-domain') ?? 'cluster.local',
    stateFolder: get('state'),
  }
}

/** The command line first, then the environment; an empty variable is no value. */
function readValues(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Result<ReadonlyMap<string, string>> {
  const rows = TABLE.map(({ name, short, value }) => [
    name,
    { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short === undefined ? {} : { short }) },
  ])
  const values = new Map<string, string>()
  const { tokens } = parseArgs({ args: [...argv], options: Object.fromEntries(rows), strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') return fail('', `unexpected argument '${token.value}'; a bootstrap is given with -c FILE`)
    const row = TABLE.find(({ name }) => name === token.name)
    if (row === undefined) return fail('', unknownOption(token.rawName))
    if (row.value !== undefined && token.value === undefined) return fail(`--${row.name}`, `needs a value: ${row.value}`)
    values.set(row.name, token.value ?? 'true')
  }
  for (const { name, value, env: variable } of TABLE) {
    const given = env[variable]
    if (given === undefined || given === '' || values.has(name) || (value === undefined && given === 'false')) continue
    values.set(name, given)
  }
  return succeed(values)
}

function unknownOption(rawName: string): string {
  const near = suggest(
    rawName.replace(/^-+/, ''),
    TABLE.map(({ name }) => name),
  )
  return `unknown option '${rawName}'${near === undefined ? '; see --help' : `; did you mean '--${near}'?`}`
}

function oneOf<T extends string>(text: string, allowed: readonly [T, ...T[]], wrong: (message: string) => void): T {
  const found = allowed.find((each) => each === text)
  if (found === undefined) wrong(`'${text}' is none of ${allowed.join(', ')}`)
  return found ?? allowed[0]
}

/** Envoy's words. */
function aliasOf(level: string): string {
  return level === 'warning' ? 'warn' : level === 'critical' ? 'error' : level
}

function readTime(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const parsed = parseDurationMs(text)
  return parsed.ok && parsed.value >= 0 ? parsed.value : undefined
}
