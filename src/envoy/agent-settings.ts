// What a sidecar in a pod serves besides the mesh's traffic: LATEEN_AGENT, a JSON object written by the webhook at injection and read by
// the proxy at start. Here, below both, so that writer and reader cannot disagree. Kubernetes' own names for probe handlers.
// Invariant: what is not understood is a problem with its path, never a probe that silently answers something else.
import { fail, type Problem, type Result, succeed } from '../base/result.ts'

export interface AgentSettings {
  /** Probes, merged metrics, drain; all interfaces. 0: not opened. */
  readonly statusPort: number
  /** /healthz/ready only. */
  readonly healthPort: number
  /** The proxy's own series only. */
  readonly prometheusPort: number
  /** By path: `/app-health/<container>/livez|readyz|startupz` and `/app-lifecycle/<container>/prestopz|poststartz`. */
  readonly probes: Readonly<Record<string, AgentProbe>>
  /** The application's metrics, appended to the proxy's on the status port. */
  readonly scrape?: ScrapeSettings
  /** Folder of the downward API's files `labels` and `annotations`. */
  readonly podInfo?: string
  /** The kubelet stops a native sidecar after the application: nobody is left whose calls a stop would have to wait for. */
  readonly nativeSidecar?: boolean
}

/** A handler of Kubernetes with ports as numbers: exactly one of the three. */
export interface AgentProbe {
  readonly httpGet?: HttpGetProbe
  readonly tcpSocket?: { readonly port: number; readonly host?: string }
  readonly grpc?: { readonly port: number; readonly service?: string }
  readonly timeoutSeconds?: number
}

export interface HttpGetProbe {
  readonly port: number
  readonly path?: string
  readonly scheme?: 'HTTP' | 'HTTPS'
  /** The pod's own address where not given. */
  readonly host?: string
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
}

export interface ScrapeSettings {
  readonly port?: number
  readonly path?: string
  /** More places, from the annotation prometheus.istio.io/targets. */
  readonly targets?: readonly ScrapeTarget[]
}

export interface ScrapeTarget {
  readonly port: number
  readonly path?: string
}

export const DEFAULT_AGENT_PORTS = { statusPort: 15020, healthPort: 15021, prometheusPort: 15090 } as const

/** A probe's path has two more parts: container and kind. */
const PROBE_PATH = /^\/app-(?:health|lifecycle)\/[^/]+\/[^/]+$/
const SETTINGS_KEYS = ['statusPort', 'healthPort', 'prometheusPort', 'probes', 'scrape', 'podInfo', 'nativeSidecar']

export function readAgentSettings(text: string): Result<AgentSettings> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail('', `not valid JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const problems: Problem[] = []
  const reader = new Reader(problems)
  const root = reader.object('', json, SETTINGS_KEYS)
  const settings: AgentSettings = {
    statusPort: reader.port('statusPort', root.statusPort, 0) ?? DEFAULT_AGENT_PORTS.statusPort,
    healthPort: reader.port('healthPort', root.healthPort, 0) ?? DEFAULT_AGENT_PORTS.healthPort,
    prometheusPort: reader.port('prometheusPort', root.prometheusPort, 0) ?? DEFAULT_AGENT_PORTS.prometheusPort,
    probes: readProbes(reader, root.probes),
    ...optional('scrape', root.scrape === undefined ? undefined : readScrape(reader, root.scrape)),
    ...optional('podInfo', reader.string('podInfo', root.podInfo)),
    ...optional('nativeSidecar', reader.boolean('nativeSidecar', root.nativeSidecar)),
  }
  return problems.length > 0 ? { ok: false, problems } : succeed(settings)
}

function readProbes(reader: Reader, value: unknown): Readonly<Record<string, AgentProbe>> {
  if (value === undefined) return {}
  const probes: Record<string, AgentProbe> = {}
  for (const [key, each] of Object.entries(reader.object('probes', value, undefined))) {
    if (!PROBE_PATH.test(key))
      reader.problem(`probes[${key}]`, 'a path is /app-health/<container>/<probe> or /app-lifecycle/<container>/<hook>')
    probes[key] = readProbe(reader, `probes[${key}]`, each)
  }
  return probes
}

function readProbe(reader: Reader, at: string, value: unknown): AgentProbe {
  const { httpGet, tcpSocket, grpc, timeoutSeconds } = reader.object(at, value, ['httpGet', 'tcpSocket', 'grpc', 'timeoutSeconds'])
  const given = [httpGet, tcpSocket, grpc].filter((handler) => handler !== undefined).length
  if (given !== 1) reader.problem(at, 'needs exactly one of httpGet, tcpSocket, grpc')
  return {
    ...optional('httpGet', httpGet === undefined ? undefined : readHttpGet(reader, `${at}.httpGet`, httpGet)),
    ...optional('tcpSocket', tcpSocket === undefined ? undefined : readTcpSocket(reader, `${at}.tcpSocket`, tcpSocket)),
    ...optional('grpc', grpc === undefined ? undefined : readGrpc(reader, `${at}.grpc`, grpc)),
    ...optional('timeoutSeconds', reader.seconds(`${at}.timeoutSeconds`, timeoutSeconds)),
  }
}

function readHttpGet(reader: Reader, at: string, value: unknown): HttpGetProbe {
  const { port, path, scheme, host, httpHeaders } = reader.object(at, value, ['port', 'path', 'scheme', 'host', 'httpHeaders'])
  if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS') reader.problem(`${at}.scheme`, 'must be HTTP or HTTPS')
  const headers = httpHeaders === undefined ? undefined : reader.list(`${at}.httpHeaders`, httpHeaders)
  return {
    port: reader.requiredPort(`${at}.port`, port),
    ...optional('path', reader.string(`${at}.path`, path)),
    ...optional<'scheme', 'HTTP' | 'HTTPS'>('scheme', scheme === 'HTTP' || scheme === 'HTTPS' ? scheme : undefined),
    ...optional('host', reader.string(`${at}.host`, host)),
    ...optional(
      'httpHeaders',
      headers?.map((header, index) => {
        const field = reader.object(`${at}.httpHeaders[${index}]`, header, ['name', 'value'])
        const name = reader.string(`${at}.httpHeaders[${index}].name`, field.name) ?? ''
        if (name === '') reader.problem(`${at}.httpHeaders[${index}].name`, 'is missing')
        return { name, value: reader.string(`${at}.httpHeaders[${index}].value`, field.value) ?? '' }
      }),
    ),
  }
}

function readTcpSocket(reader: Reader, at: string, value: unknown): NonNullable<AgentProbe['tcpSocket']> {
  const { port, host } = reader.object(at, value, ['port', 'host'])
  return { port: reader.requiredPort(`${at}.port`, port), ...optional('host', reader.string(`${at}.host`, host)) }
}

function readGrpc(reader: Reader, at: string, value: unknown): NonNullable<AgentProbe['grpc']> {
  const { port, service } = reader.object(at, value, ['port', 'service'])
  return { port: reader.requiredPort(`${at}.port`, port), ...optional('service', reader.string(`${at}.service`, service)) }
}

function readScrape(reader: Reader, value: unknown): ScrapeSettings {
  const { port, path, targets } = reader.object('scrape', value, ['port', 'path', 'targets'])
  const list = targets === undefined ? undefined : reader.list('scrape.targets', targets)
  return {
    ...optional('port', reader.port('scrape.port', port, 1)),
    ...optional('path', reader.string('scrape.path', path)),
    ...optional(
      'targets',
      list?.map((each, index) => {
        const target = reader.object(`scrape.targets[${index}]`, each, ['port', 'path'])
        return {
          port: reader.requiredPort(`scrape.targets[${index}].port`, target.port),
          ...optional('path', reader.string(`scrape.targets[${index}].path`, target.path)),
        }
      }),
    ),
  }
}

/** Checks one value at a path; a wrong one becomes a problem and undefined. */
class Reader {
  readonly #problems: Problem[]

  constructor(problems: Problem[]) {
    this.#problems = problems
  }

  problem(path: string, message: string): void {
    this.#problems.push({ path, message })
  }

  /** @param keys undefined: any. */
  object(path: string, value: unknown, keys: readonly string[] | undefined): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problem(path, 'must be an object')
      return {}
    }
    for (const key of Object.keys(value)) {
      if (keys !== undefined && !keys.includes(key))
        this.problem(path === '' ? key : `${path}.${key}`, `unknown; known are ${keys.join(', ')}`)
    }
    return { ...value }
  }

  list(path: string, value: unknown): readonly unknown[] {
    if (Array.isArray(value)) return value
    this.problem(path, 'must be a list')
    return []
  }

  string(path: string, value: unknown): string | undefined {
    if (value === undefined || typeof value === 'string') return value
    this.problem(path, 'must be a string')
    return undefined
  }

  boolean(path: string, value: unknown): boolean | undefined {
    if (value === undefined || typeof value === 'boolean') return value
    this.problem(path, 'must be true or false')
    return undefined
  }

  seconds(path: string, value: unknown): number | undefined {
    if (value === undefined || (typeof value === 'number' && value > 0)) return value
    this.problem(path, 'must be a number of seconds above 0')
    return undefined
  }

  port(path: string, value: unknown, lowest: 0 | 1): number | undefined {
    if (value === undefined || (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= 65_535)) return value
    this.problem(path, `must be a port number, ${lowest} to 65535`)
    return undefined
  }

  requiredPort(path: string, value: unknown): number {
    if (value === undefined) this.problem(path, 'is missing')
    return this.port(path, value, 1) ?? 0
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  // One key, whose type is the parameter's: TypeScript widens a computed key to string.
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V })
}
