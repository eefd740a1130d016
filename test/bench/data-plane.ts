// Rows S1 (HTTP/1.1 plain) and S2 (a pair of sidecars with mutual TLS between them): CPU per request of each peer, saturated and at
// a fixed 2,000 requests a second. Peers take turns within each round, so that a drift of the machine meets all of them; medians are
// printed, with the ratio to Envoy. Our own access log and counters are read back and must account for every request.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { issueTestCertificates } from '../harness/certificates.ts'
import { endProcess } from '../harness/envoy.ts'
import type { LoadPlan, LoadReport } from '../harness/load.ts'
import { accountedFor, runLoadProcess } from '../harness/load-process.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { BENCH_HOST, type BenchBootstrap, type TlsFiles } from './bootstraps.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'

const PROXY_CPU = 1
const OTHERS_CPU = 0
const BODY_BYTES = 1024
const CONNECTIONS = 64
const SEPARATOR = '|'

export interface DataPlaneRow {
  readonly scenario: string
  readonly load: string
  readonly peer: string
  readonly cpuUsPerRequest: number
  readonly ratioToEnvoy: number | undefined
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly idleRssMb: number
  readonly rssMb: number
}

export interface DataPlaneOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly scenarios: readonly ('S1' | 'S2')[]
  readonly peers: readonly string[] | undefined
}

interface Sample {
  readonly cpuUsPerRequest: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly idleRssMb: number
  readonly rssMb: number
}

const LOADS: readonly { readonly name: string; readonly ratePerSecond?: number }[] = [
  { name: 'saturated' },
  { name: '2,000/s', ratePerSecond: 2000 },
]

export async function benchDataPlane(options: DataPlaneOptions): Promise<DataPlaneRow[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-bench-'))
  try {
    const peers = PEERS.filter((peer) => takesPart(peer, options.peers))
    const samples = new Map<string, Sample[]>()
    for (let round = 0; round < options.rounds; round++) {
      for (const scenario of options.scenarios) {
        for (const load of LOADS) {
          for (const peer of peers) {
            const key = [scenario, load.name, peer.name].join(SEPARATOR)
            const sample = await measure(peer, scenario, load.ratePerSecond, options, mkdtempSync(path.join(folder, 'run-')))
            samples.set(key, [...(samples.get(key) ?? []), sample])
            console.log(
              `  round ${round + 1} ${key.replaceAll(SEPARATOR, ' ')}: ${sample.cpuUsPerRequest.toFixed(1)} us/request, ${Math.round(sample.requestsPerSecond)} rps`,
            )
          }
        }
      }
    }
    return rows(samples)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function takesPart(peer: Peer, wanted: readonly string[] | undefined): boolean {
  if (wanted !== undefined && !wanted.includes(peer.name)) return false
  if (peer.missing !== undefined) console.log(`  ${peer.name} is left out: ${peer.missing}`)
  return peer.missing === undefined
}

async function measure(
  peer: Peer,
  scenario: 'S1' | 'S2',
  ratePerSecond: number | undefined,
  options: DataPlaneOptions,
  folder: string,
): Promise<Sample> {
  const children: ChildProcess[] = []
  try {
    const chain = await startChain(peer, scenario, folder, children)
    const idleRssMb = chain.proxies.reduce((sum, child) => sum + usageOf(child.pid ?? 0).rssBytes, 0) / 2 ** 20
    const saturated: LoadPlan = {
      host: '127.0.0.1',
      port: chain.entryPort,
      connections: CONNECTIONS,
      durationMs: options.warmSeconds * 1000,
      method: 'GET',
      path: '/reviews/0',
      headers: { host: BENCH_HOST, 'user-agent': 'lateen-bench' },
    }
    // Always saturated, for every peer: a sidecar lives for days, so what is measured is the steady state and not the compiling of code,
    // which a few thousand requests at a low rate would pay in full. The row 'start' of the memory bench shows the beginning.
    const warm = await runLoadProcess(saturated, OTHERS_CPU)
    const before = cpuOf(chain.proxies)
    const rate = ratePerSecond === undefined ? {} : { ratePerSecond }
    const report = await runLoadProcess({ ...saturated, ...rate, durationMs: options.seconds * 1000 }, OTHERS_CPU)
    const cpuUs = cpuOf(chain.proxies) - before
    const rssMb = chain.proxies.reduce((sum, child) => sum + usageOf(child.pid ?? 0).rssBytes, 0) / 2 ** 20
    assertAllAnswered(peer, report)
    if (peer.name === 'lateen') await assertBooksBalance(chain.hops, warm.sent + report.sent)
    return {
      cpuUsPerRequest: cpuUs / report.sent,
      requestsPerSecond: (report.sent * 1000) / report.elapsedMs,
      p50Ms: report.latencyMs.p50,
      p99Ms: report.latencyMs.p99,
      idleRssMb,
      rssMb,
    }
  } finally {
    for (const child of children.reverse()) await endProcess(child)
  }
}

interface Chain {
  readonly entryPort: number
  readonly hops: readonly BenchBootstrap[]
  readonly proxies: readonly ChildProcess[]
}

async function startChain(peer: Peer, scenario: 'S1' | 'S2', folder: string, children: ChildProcess[]): Promise<Chain> {
  const backend = spawn(
    'taskset',
    ['-c', String(OTHERS_CPU), process.execPath, path.join(import.meta.dirname, '../harness/backend-program.ts'), '0', String(BODY_BYTES)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  children.push(backend)
  const [firstLine] = (await once(backend.stdout, 'data')) as [Buffer]
  const backendPort = Number(firstLine.toString())
  const hops = scenario === 'S1' ? await plainHop(folder, backendPort) : await mutualTlsHops(folder, backendPort)
  const proxies: ChildProcess[] = []
  for (const hop of hops) {
    const child = await peer.start(hop, folder, PROXY_CPU)
    children.push(child)
    proxies.push(child)
  }
  return { entryPort: hops.at(-1)?.listenPort ?? 0, hops, proxies }
}

async function plainHop(folder: string, upstreamPort: number): Promise<BenchBootstrap[]> {
  const [adminPort = 0, listenPort = 0] = await freePorts(2)
  return [{ name: 'client', adminPort, listenPort, upstreamPort, accessLogPath: path.join(folder, 'client.log'), direction: 'OUTBOUND' }]
}

/** The server side first: the client side's upstream is there when it starts. */
async function mutualTlsHops(folder: string, upstreamPort: number): Promise<BenchBootstrap[]> {
  const client = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage'
  const server = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews'
  const [clientFiles, serverFiles] = issueTestCertificates(folder, [client, server])
  if (clientFiles === undefined || serverFiles === undefined) throw new Error('no certificates')
  const [serverAdmin = 0, serverPort = 0, clientAdmin = 0, clientPort = 0] = await freePorts(4)
  const serverTls: TlsFiles = { ...serverFiles, peer: client }
  const clientTls: TlsFiles = { ...clientFiles, peer: server }
  return [
    {
      name: 'server',
      adminPort: serverAdmin,
      listenPort: serverPort,
      upstreamPort,
      accessLogPath: path.join(folder, 'server.log'),
      direction: 'INBOUND',
      downstreamTls: serverTls,
    },
    {
      name: 'client',
      adminPort: clientAdmin,
      listenPort: clientPort,
      upstreamPort: serverPort,
      accessLogPath: path.join(folder, 'client.log'),
      direction: 'OUTBOUND',
      upstreamTls: clientTls,
    },
  ]
}

function cpuOf(children: readonly ChildProcess[]): number {
  return children.reduce((sum, child) => sum + usageOf(child.pid ?? 0).cpuUs, 0)
}

function assertAllAnswered(peer: Peer, report: LoadReport): void {
  if (report.statuses[200] === report.sent && accountedFor(report) === report.sent) return
  throw new Error(`${peer.name} did not answer every request with 200: ${JSON.stringify({ ...report, latencyMs: undefined })}`)
}

/** Every request stands in the access log and in istio_requests_total of every hop; the log is written behind, so it is awaited. */
async function assertBooksBalance(hops: readonly BenchBootstrap[], sent: number): Promise<void> {
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

function rows(samples: ReadonlyMap<string, readonly Sample[]>): DataPlaneRow[] {
  return [...samples].map(([key, all]) => {
    const [scenario = '', load = '', peer = ''] = key.split(SEPARATOR)
    const envoy = samples.get([scenario, load, 'envoy'].join(SEPARATOR))
    const cpu = median(all.map((sample) => sample.cpuUsPerRequest))
    return {
      scenario,
      load,
      peer,
      cpuUsPerRequest: cpu,
      ratioToEnvoy: envoy === undefined ? undefined : cpu / median(envoy.map((sample) => sample.cpuUsPerRequest)),
      requestsPerSecond: median(all.map((sample) => sample.requestsPerSecond)),
      p50Ms: median(all.map((sample) => sample.p50Ms)),
      p99Ms: median(all.map((sample) => sample.p99Ms)),
      idleRssMb: median(all.map((sample) => sample.idleRssMb)),
      rssMb: median(all.map((sample) => sample.rssMb)),
    }
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
