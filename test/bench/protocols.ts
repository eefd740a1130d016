// Rows of every protocol: CPU of the proxy per request, message, connection or GiB, beside Envoy on the same bootstrap in the same run.
// Peers take turns within each round, so that a drift of the machine meets both; medians are printed. Called by bench.ts.
import { loadavg } from 'node:os'
import path from 'node:path'
import { freePorts } from '../harness/ports.ts'
import { PROXY_CPU } from './chains.ts'
import { median } from './data-plane.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { missingFor, TRAFFIC, type Traffic } from './protocol-traffic.ts'
import { inScope } from './scope.ts'

export interface ProtocolOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
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

async function benchTraffic(traffic: Traffic, peers: readonly Peer[], options: ProtocolOptions): Promise<ProtocolRow[]> {
  const samples = new Map<string, Sample[]>()
  for (let round = 0; round < options.rounds; round++) {
    for (const peer of peers) {
      const sample = await measure(peer, traffic, options)
      samples.set(peer.name, [...(samples.get(peer.name) ?? []), sample])
      console.log(`  round ${round + 1} ${traffic.row} ${peer.name}: ${sample.cpuUsPerUnit.toFixed(1)} us/${traffic.unit}`)
    }
  }
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
      peakMb: of((sample) => sample.peakMb),
      load: of((sample) => sample.load),
    }
  })
}

function measure(peer: Peer, traffic: Traffic, { seconds, warmSeconds }: ProtocolOptions): Promise<Sample> {
  return inScope(async ({ folder, children }) => {
    const backend = await traffic.startBackend(folder)
    children.push(backend.child)
    const [adminPort = 0, port = 0] = await freePorts(2)
    const hop = { name: 'bench', adminPort, listenPort: port, upstreamPort: backend.port, direction: 'OUTBOUND' as const }
    const accessLogPath = path.join(folder, 'access.log')
    const proxy = await peer.start({ ...hop, protocol: traffic.protocol, accessLogPath }, folder, String(PROXY_CPU))
    children.push(proxy)
    const pid = proxy.pid ?? 0
    await traffic.run({ port, seconds: warmSeconds, folder })
    const before = usageOf(pid).cpuUs
    const units = await traffic.run({ port, seconds, folder })
    const { cpuUs, rssBytes, peakBytes } = usageOf(pid)
    return {
      cpuUsPerUnit: (cpuUs - before) / units,
      unitsPerSecond: units / seconds,
      rssMb: rssBytes / 2 ** 20,
      peakMb: peakBytes / 2 ** 20,
      load: loadavg()[0] ?? 0,
    }
  })
}
