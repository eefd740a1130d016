// Rows of every protocol: CPU of the proxy per request, message, connection or GiB, beside Envoy on the same bootstrap in the same run.
// Per row every peer is started once and warmed up once; then they take turns. Minimum and median over the rounds. Called by bench.ts,
// all.ts and ci.ts; profile.ts starts a peer in the same way.
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import path from 'node:path'
import { freePorts } from '../harness/ports.ts'
import { PROXY_CPU } from './chains.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { missingFor, TRAFFIC, type Traffic } from './protocol-traffic.ts'
import { inScope, type Scope } from './scope.ts'
import { median, takeTurns, withCost } from './turns.ts'
import { type Size, type WarmUp, warmBySlices } from './warm-up.ts'

export interface ProtocolOptions extends Size {
  /** Undefined: all. */
  readonly rows: readonly string[] | undefined
  readonly peers: readonly string[] | undefined
}

export interface ProtocolRow {
  readonly traffic: Traffic
  readonly peer: string
  readonly cpuUsPerUnit: number
  readonly minCpuUsPerUnit: number
  readonly ratioToEnvoy: number | undefined
  readonly unitsPerSecond: number
  readonly rssMb: number
  /** The most that it ever was. */
  readonly peakMb: number
  readonly load: number
}

type Sample = Pick<ProtocolRow, 'cpuUsPerUnit' | 'unitsPerSecond' | 'rssMb' | 'peakMb' | 'load'>

/** One peer with the traffic of a row, from its start to the end of the last round. */
export interface TrafficLane {
  readonly name: string
  readonly proxy: ChildProcess
  /** @returns how many units came through. */
  readonly run: (seconds: number) => Promise<number>
}

export async function benchProtocols(options: ProtocolOptions): Promise<ProtocolRow[]> {
  const { rows: wanted, peers: wantedPeers = ['lateen', 'envoy'] } = options
  const peers = PEERS.filter(({ name, missing }) => wantedPeers.includes(name) && missing === undefined)
  const rows: ProtocolRow[] = []
  for (const traffic of TRAFFIC.filter(({ row }) => wanted === undefined || wanted.includes(row))) {
    const missing = missingFor(traffic)
    if (missing.length > 0) console.log(`  ${traffic.row} is left out: ${missing.join(' and ')} not installed`)
    else rows.push(...(await benchTraffic(traffic, peers, options)))
  }
  return rows
}

function benchTraffic(traffic: Traffic, peers: readonly Peer[], options: ProtocolOptions): Promise<ProtocolRow[]> {
  return inScope(async (scope) => {
    const lanes: TrafficLane[] = []
    for (const peer of peers) {
      const lane = await startTraffic(peer, traffic, scope)
      await warmTraffic(lane, traffic, options.warmUp)
      lanes.push(lane)
    }
    const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]))
    await takeTurns(options.rounds, lanes, async (lane) => {
      const sample = await measure(lane, options.seconds)
      samples.get(lane.name)?.push(sample)
      console.log(`  ${traffic.row} ${lane.name}: ${sample.cpuUsPerUnit.toFixed(1)} us/${traffic.unit}`)
    })
    return rowsOf(traffic, samples)
  })
}

export async function startTraffic(peer: Peer, traffic: Traffic, { folder, children }: Scope): Promise<TrafficLane> {
  const own = path.join(folder, peer.name)
  mkdirSync(own)
  const backend = await traffic.startBackend(own)
  children.push(backend.child)
  const [adminPort = 0, port = 0] = await freePorts(2)
  const hop = { name: 'bench', adminPort, listenPort: port, upstreamPort: backend.port, direction: 'OUTBOUND' as const }
  const accessLogPath = path.join(own, 'access.log')
  const proxy = await peer.start({ ...hop, protocol: traffic.protocol, accessLogPath }, own, String(PROXY_CPU))
  children.push(proxy)
  return { name: peer.name, proxy, run: (seconds) => traffic.run({ port, seconds, folder: own }) }
}

/** A row knows how many of its units are enough: a message is not a GiB. */
export function warmTraffic({ run }: TrafficLane, { warmUnits }: Traffic, { maxSeconds }: WarmUp): Promise<void> {
  return warmBySlices(run, warmUnits, maxSeconds)
}

async function measure({ proxy, run }: TrafficLane, seconds: number): Promise<Sample> {
  const { done: units, cpuUs } = await withCost([proxy], () => run(seconds))
  const { rssBytes, peakBytes } = usageOf(proxy.pid ?? 0)
  return {
    cpuUsPerUnit: cpuUs / units,
    unitsPerSecond: units / seconds,
    rssMb: rssBytes / 2 ** 20,
    peakMb: peakBytes / 2 ** 20,
    load: loadavg()[0] ?? 0,
  }
}

function rowsOf(traffic: Traffic, samples: ReadonlyMap<string, readonly Sample[]>): ProtocolRow[] {
  const envoy = samples.get('envoy')
  return [...samples].map(([peer, all]) => {
    const of = (value: (sample: Sample) => number, list = all): number => median(list.map(value))
    const cpuUsPerUnit = of((sample) => sample.cpuUsPerUnit)
    return {
      traffic,
      peer,
      cpuUsPerUnit,
      minCpuUsPerUnit: Math.min(...all.map((sample) => sample.cpuUsPerUnit)),
      ratioToEnvoy: envoy === undefined ? undefined : cpuUsPerUnit / of((sample) => sample.cpuUsPerUnit, envoy),
      unitsPerSecond: of((sample) => sample.unitsPerSecond),
      rssMb: of((sample) => sample.rssMb),
      peakMb: Math.max(...all.map((sample) => sample.peakMb)),
      load: of((sample) => sample.load),
    }
  })
}
