// Rows S1 (HTTP/1.1 plain) and S2 (a pair of sidecars with mutual TLS between them, over HTTP/1.1 and HTTP/2): CPU per request of each
// peer, saturated and at a fixed 2,000 requests a second, and what the proxies add to latency there. Peers take turns within each round,
// so that a drift of the machine meets all of them; minimum and median are printed, with the ratio of medians to Envoy. Our own access
// log and counters are read back and must account for every request.
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { LoadPlan, LoadReport } from '../harness/load.ts'
import { accountedFor, runLoadProcess } from '../harness/load-process.ts'
import { waitFor } from '../harness/wait.ts'
import { BENCH_HOST, type BenchBootstrap } from './bootstraps.ts'
import { OTHERS_CPU, type Scenario, startBackend, startChain } from './chains.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { inScope } from './scope.ts'

export const SCENARIOS: readonly Scenario[] = ['S1', 'S2', 'S2h2']
/** Runs without a proxy tell what the load generator and the backend take by themselves. */
const DIRECT = 'direct'
const SEPARATOR = '|'

export interface DataPlaneRow {
  readonly scenario: Scenario
  readonly load: LoadName
  readonly peer: string
  readonly cpuUsPerRequest: number
  readonly minCpuUsPerRequest: number
  readonly ratioToEnvoy: number | undefined
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Above what the same load takes without a proxy. */
  readonly addedP50Ms: number
  readonly addedP99Ms: number
  readonly idleRssMb: number
  readonly rssMb: number
}

export interface DataPlaneOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly scenarios: readonly Scenario[]
  readonly peers: readonly string[] | undefined
  /** Undefined: both. */
  readonly loads?: readonly LoadName[]
}

export type LoadName = 'saturated' | '2,000/s'

interface Load {
  readonly name: LoadName
  readonly connections: number
  readonly ratePerSecond?: number
}

const LOADS: readonly Load[] = [
  { name: 'saturated', connections: 64 },
  { name: '2,000/s', connections: 16, ratePerSecond: 2000 },
]

type Sample = Pick<DataPlaneRow, 'cpuUsPerRequest' | 'requestsPerSecond' | 'p50Ms' | 'p99Ms' | 'idleRssMb' | 'rssMb'>

export async function benchDataPlane(options: DataPlaneOptions): Promise<DataPlaneRow[]> {
  const peers = PEERS.filter((peer) => takesPart(peer, options.peers))
  const loads = LOADS.filter(({ name }) => options.loads?.includes(name) ?? true)
  const samples = new Map<string, Sample[]>()
  const keep = (scenario: Scenario, load: Load, name: string, sample: Sample): void => {
    const key = keyOf(scenario, load.name, name)
    samples.set(key, [...(samples.get(key) ?? []), sample])
    console.log(
      `  ${key.replaceAll(SEPARATOR, ' ')}: ${sample.cpuUsPerRequest.toFixed(1)} us/request, ${Math.round(sample.requestsPerSecond)} rps, p50 ${sample.p50Ms.toFixed(2)} ms, p99 ${sample.p99Ms.toFixed(2)} ms`,
    )
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const scenario of options.scenarios) {
      for (const load of loads) {
        if (load.ratePerSecond !== undefined) keep(scenario, load, DIRECT, await measureDirect(load, options))
        for (const peer of peers.filter(({ name }) => speaks(name, scenario)))
          keep(scenario, load, peer.name, await measure(peer, scenario, load, options))
      }
    }
  }
  return rows(samples)
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

function planOf({ connections, ratePerSecond }: Load, port: number, seconds: number): LoadPlan {
  return {
    host: '127.0.0.1',
    port,
    connections,
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    durationMs: seconds * 1000,
    method: 'GET',
    path: '/reviews/0',
    headers: { host: BENCH_HOST, 'user-agent': 'lateen-bench' },
  }
}

function measure(peer: Peer, scenario: Scenario, load: Load, options: DataPlaneOptions): Promise<Sample> {
  return inScope(async ({ folder, children }) => {
    const chain = await startChain(peer, scenario, folder, children)
    const idleRssMb = residentMb(chain.proxies)
    // Always saturated, for every peer: a sidecar lives for days, so what is measured is the steady state and not the compiling of code,
    // which a few thousand requests at a low rate would pay in full. The row 'start' of the memory bench shows the beginning.
    const warm = await runLoadProcess(planOf({ name: 'saturated', connections: 64 }, chain.entryPort, options.warmSeconds), OTHERS_CPU)
    const before = cpuOf(chain.proxies)
    const report = await runLoadProcess(planOf(load, chain.entryPort, options.seconds), OTHERS_CPU)
    const cpuUs = cpuOf(chain.proxies) - before
    const rssMb = residentMb(chain.proxies)
    assertAllAnswered(peer.name, report)
    if (peer.name === 'lateen') await assertBooksBalance(chain.hops, warm.sent + report.sent)
    return { ...sampleOf(report, cpuUs), idleRssMb, rssMb }
  })
}

function measureDirect(load: Load, options: DataPlaneOptions): Promise<Sample> {
  return inScope(async ({ children }) => {
    const port = await startBackend(children)
    await runLoadProcess(planOf({ name: 'saturated', connections: 64 }, port, 1), OTHERS_CPU)
    const report = await runLoadProcess(planOf(load, port, options.seconds), OTHERS_CPU)
    assertAllAnswered(DIRECT, report)
    return { ...sampleOf(report, 0), idleRssMb: 0, rssMb: 0 }
  })
}

function sampleOf(report: LoadReport, cpuUs: number): Omit<Sample, 'idleRssMb' | 'rssMb'> {
  return {
    cpuUsPerRequest: cpuUs / report.sent,
    requestsPerSecond: (report.sent * 1000) / report.elapsedMs,
    p50Ms: report.latencyMs.p50,
    p99Ms: report.latencyMs.p99,
  }
}

function residentMb(children: readonly ChildProcess[]): number {
  return children.reduce((sum, child) => sum + usageOf(child.pid ?? 0).rssBytes, 0) / 2 ** 20
}

export function cpuOf(children: readonly ChildProcess[]): number {
  return children.reduce((sum, child) => sum + usageOf(child.pid ?? 0).cpuUs, 0)
}

export function assertAllAnswered(peer: string, report: LoadReport): void {
  if (report.statuses[200] === report.sent && accountedFor(report) === report.sent) return
  throw new Error(`${peer} did not answer every request with 200: ${JSON.stringify({ ...report, latencyMs: undefined })}`)
}

/** Every request stands in the access log and in istio_requests_total of every hop; the log is written behind, so it is awaited. */
export async function assertBooksBalance(hops: readonly BenchBootstrap[], sent: number): Promise<void> {
  for (const hop of hops) {
    await waitFor(() => lineCount(hop.accessLogPath) === sent, {
      what: `the access log of ${hop.name} (${lineCount(hop.accessLogPath)} lines of ${sent})`,
    })
    const text = await (await fetch(`http://127.0.0.1:${hop.adminPort}/stats/prometheus`)).text()
    const counted = [...text.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)].reduce((sum, match) => sum + Number(match[1]), 0)
    if (counted !== sent) throw new Error(`istio_requests_total of ${hop.name} is ${counted}, sent were ${sent}`)
  }
}

function lineCount(file: string): number {
  try {
    return readFileSync(file, 'latin1').split('\n').length - 1
  } catch {
    return 0
  }
}

function keyOf(scenario: Scenario, load: LoadName, peer: string): string {
  return [scenario, load, peer].join(SEPARATOR)
}

function rows(samples: ReadonlyMap<string, readonly Sample[]>): DataPlaneRow[] {
  return [...samples].flatMap(([key, all]) => {
    // As keyOf wrote it.
    const [scenario, load, peer] = key.split(SEPARATOR) as [Scenario, LoadName, string]
    if (peer === DIRECT) return []
    const envoy = samples.get(keyOf(scenario, load, 'envoy'))
    const direct = samples.get(keyOf(scenario, load, DIRECT)) ?? []
    const of = (value: (sample: Sample) => number, list: readonly Sample[] = all): number => median(list.map(value))
    const cpu = of((sample) => sample.cpuUsPerRequest)
    const [p50Ms, p99Ms] = [of((sample) => sample.p50Ms), of((sample) => sample.p99Ms)]
    return {
      scenario,
      load,
      peer,
      cpuUsPerRequest: cpu,
      minCpuUsPerRequest: Math.min(...all.map((sample) => sample.cpuUsPerRequest)),
      ratioToEnvoy: envoy === undefined ? undefined : cpu / of((sample) => sample.cpuUsPerRequest, envoy),
      requestsPerSecond: of((sample) => sample.requestsPerSecond),
      p50Ms,
      p99Ms,
      addedP50Ms: p50Ms - of((sample) => sample.p50Ms, direct),
      addedP99Ms: p99Ms - of((sample) => sample.p99Ms, direct),
      idleRssMb: of((sample) => sample.idleRssMb),
      rssMb: of((sample) => sample.rssMb),
    }
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
