// Rows S1 (HTTP/1.1 plain) and S2 (a pair of sidecars with mutual TLS between them, over HTTP/1.1 and HTTP/2): CPU per request of each
// peer, saturated and at a fixed 2,000 requests a second, and what the proxies add to latency there. Per scenario every peer is started once
// and warmed up once; then they take turns. Minimum and median over the rounds, with the ratio of medians to Envoy. Our own access log and
// counters are read back at the end and must account for every request.
import type { Scenario } from './chains.ts'
import { DIRECT, Lane, type Load, SATURATED, type Window } from './lanes.ts'
import { PEERS, type Peer } from './peers.ts'
import { inScope } from './scope.ts'
import { median, takeTurns } from './turns.ts'
import type { Size, WarmUp } from './warm-up.ts'

export const SCENARIOS: readonly Scenario[] = ['S1', 'S2', 'S2h2']

export interface DataPlaneRow {
  readonly scenario: Scenario
  readonly load: LoadName
  readonly peer: string
  readonly cpuUsPerRequest: number
  readonly minCpuUsPerRequest: number
  readonly ratioToEnvoy: number | undefined
  /** Of the first requests after the start of its chain: once per scenario, the same in each of its rows. */
  readonly firstUsPerRequest: number
  /** How many the warm-up had time for. */
  readonly warmRequests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Above what the same load takes without a proxy. */
  readonly addedP50Ms: number
  readonly addedP99Ms: number
  readonly idleRssMb: number
  readonly rssMb: number
}

export interface DataPlaneOptions extends Size {
  readonly scenarios: readonly Scenario[]
  readonly peers: readonly string[] | undefined
  /** Undefined: both. */
  readonly loads?: readonly LoadName[]
}

export type LoadName = 'saturated' | '2,000/s'

const LOADS: readonly (Load & { readonly name: LoadName })[] = [
  { name: 'saturated', ...SATURATED },
  { name: '2,000/s', connections: 16, ratePerSecond: 2000 },
]

/** A peer of one scenario, with what has been measured of it so far. */
interface Measured {
  readonly lane: Lane
  readonly firstUsPerRequest: number
  readonly warmRequests: number
  readonly windows: ReadonlyMap<LoadName, Window[]>
}

export async function benchDataPlane(options: DataPlaneOptions): Promise<DataPlaneRow[]> {
  const peers = PEERS.filter((peer) => takesPart(peer, options.peers))
  const rows: DataPlaneRow[] = []
  for (const scenario of options.scenarios) {
    const speaking = peers.filter(({ name }) => speaks(name, scenario))
    rows.push(...(await benchScenario(scenario, speaking, options)))
  }
  return rows
}

function takesPart(peer: Peer, wanted: readonly string[] | undefined): boolean {
  if (wanted !== undefined && !wanted.includes(peer.name)) return false
  if (peer.missing !== undefined) console.log(`  ${peer.name} is left out: ${peer.missing}`)
  return peer.missing === undefined
}

/** nginx of the distributions does not speak HTTP/2 to its upstreams. */
function speaks(peer: string, scenario: Scenario): boolean {
  return scenario !== 'S2h2' || peer !== 'nginx'
}

function benchScenario(scenario: Scenario, peers: readonly Peer[], options: DataPlaneOptions): Promise<DataPlaneRow[]> {
  return inScope(async (scope) => {
    const loads = LOADS.filter(({ name }) => options.loads?.includes(name) ?? true)
    const all: Measured[] = []
    for (const peer of peers) all.push(await warmed(await Lane.start(peer, scenario, scope), scenario, options.warmUp))
    if (loads.some(isPaced)) all.push(await warmed(await Lane.direct(scope), scenario, options.warmUp))
    const turns = loads.flatMap((load) => all.filter(({ lane }) => lane.name !== DIRECT || isPaced(load)).map((one) => ({ load, one })))
    await takeTurns(options.rounds, turns, async ({ load, one: { lane, windows } }) => {
      const window = await lane.run(load, options.seconds)
      windows.get(load.name)?.push(window)
      tell(`${scenario} ${load.name} ${lane.name}`, window)
    })
    for (const { lane } of all.filter(({ lane: { name } }) => name === 'lateen')) await lane.assertBooksBalance()
    return loads.flatMap(({ name }) => rowsOf(scenario, name, all))
  })
}

function isPaced({ ratePerSecond }: Load): boolean {
  return ratePerSecond !== undefined
}

async function warmed(lane: Lane, scenario: Scenario, warmUp: WarmUp): Promise<Measured> {
  const firstUsPerRequest = await lane.warmUp(warmUp)
  console.log(`  ${scenario} ${lane.name}: warm after ${lane.sent} requests, the first took ${firstUsPerRequest.toFixed(1)} us each`)
  return { lane, firstUsPerRequest, warmRequests: lane.sent, windows: new Map(LOADS.map(({ name }) => [name, []])) }
}

function tell(what: string, { report: { sent, elapsedMs, latencyMs }, cpuUsPerRequest }: Window): void {
  const rps = Math.round((sent * 1000) / elapsedMs)
  console.log(
    `  ${what}: ${cpuUsPerRequest.toFixed(1)} us/request, ${rps} rps, p50 ${latencyMs.p50.toFixed(2)} ms, p99 ${latencyMs.p99.toFixed(2)} ms`,
  )
}

function rowsOf(scenario: Scenario, load: LoadName, all: readonly Measured[]): DataPlaneRow[] {
  const windowsOf = (peer: string): readonly Window[] => all.find(({ lane }) => lane.name === peer)?.windows.get(load) ?? []
  const of = (value: (window: Window) => number, windows: readonly Window[]): number => median(windows.map(value))
  const p50 = ({ report }: Window): number => report.latencyMs.p50
  const p99 = ({ report }: Window): number => report.latencyMs.p99
  const cpu = ({ cpuUsPerRequest }: Window): number => cpuUsPerRequest
  const [envoy, direct] = [windowsOf('envoy'), windowsOf(DIRECT)]
  return all
    .filter(({ lane }) => lane.name !== DIRECT)
    .map(({ lane, firstUsPerRequest, warmRequests }) => {
      const own = windowsOf(lane.name)
      return {
        scenario,
        load,
        peer: lane.name,
        cpuUsPerRequest: of(cpu, own),
        minCpuUsPerRequest: Math.min(...own.map(cpu)),
        ratioToEnvoy: envoy.length === 0 ? undefined : of(cpu, own) / of(cpu, envoy),
        firstUsPerRequest,
        warmRequests,
        requestsPerSecond: of(({ report }) => (report.sent * 1000) / report.elapsedMs, own),
        p50Ms: of(p50, own),
        p99Ms: of(p99, own),
        addedP50Ms: of(p50, own) - of(p50, direct),
        addedP99Ms: of(p99, own) - of(p99, direct),
        idleRssMb: lane.idleRssMb,
        rssMb: of(({ rssMb }) => rssMb, own),
      }
    })
}
