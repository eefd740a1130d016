// npm run bench -- all [--short] [--rows S1,S6]: every row of the data plane's bars, one after the other, and one table. Called by bench.ts. The order is
// that of the table in the bars; a row that cannot be measured here says so instead of being left out.
import { benchDataPlane, type DataPlaneRow } from './data-plane.ts'
import { benchHandshakes } from './handshakes.ts'
import { benchProtocols, type ProtocolRow } from './protocols.ts'
import { benchPushes } from './pushes.ts'
import { benchSidecarMemory } from './sidecar-memory.ts'
import { benchSlowReader } from './slow-reader.ts'
import { benchStarts } from './starts.ts'
import { benchThreads } from './threads.ts'
import { ratioAtMost, reported, type Verdict } from './verdicts.ts'

export interface AllOptions {
  readonly short: boolean
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  /** Undefined: all. */
  readonly rows: readonly string[] | undefined
}

interface Part {
  readonly rows: readonly string[]
  readonly run: (options: AllOptions) => Promise<readonly Verdict[]>
}

const PARTS: readonly Part[] = [
  { rows: ['S1', 'S2'], run: dataPlane },
  { rows: ['S3', 'S4', 'S5', 'S7'], run: protocols },
  { rows: ['S6'], run: ({ short, rounds, seconds }) => benchHandshakes(rounds ?? (short ? 1 : 3), seconds ?? (short ? 2 : 5)) },
  { rows: ['S7'], run: ({ short }) => benchSlowReader(short ? 256 : 1024) },
  { rows: ['S8'], run: ({ short }) => benchSidecarMemory(short ? 5 : 60) },
  { rows: ['S9', 'S10'], run: ({ short, rounds }) => benchStarts(rounds ?? (short ? 1 : 5)) },
  { rows: ['S11'], run: ({ short, rounds, seconds }) => benchThreads(rounds ?? (short ? 1 : 3), seconds ?? (short ? 3 : 6)) },
  { rows: ['S13'], run: ({ short, seconds }) => benchPushes(seconds ?? (short ? 5 : 30)) },
]

export async function benchAll(options: AllOptions): Promise<Verdict[]> {
  const { rows } = options
  const wanted = (row: string): boolean => rows === undefined || rows.includes(row)
  const verdicts: Verdict[] = []
  for (const part of PARTS.filter(({ rows: each }) => each.some(wanted))) {
    try {
      verdicts.push(...(await part.run(options)).filter(({ row }) => wanted(row)))
    } catch (error) {
      // One row that breaks must not cost the others; it is missed all the same.
      verdicts.push({ ...reported(part.rows.join(','), 'could not be measured', '-', String(error).slice(0, 400)), met: false })
    }
  }
  return verdicts
}

/** Bars of CPU per request, by scenario and load. */
const MAX_RATIOS: Readonly<Record<DataPlaneRow['scenario'], Readonly<Record<DataPlaneRow['load'], number>>>> = {
  S1: { saturated: 0.75, '2,000/s': 0.65 },
  S2: { saturated: 0.75, '2,000/s': 0.6 },
  S2h2: { saturated: 0.85, '2,000/s': 0.6 },
}
const NAMES = { S1: 'HTTP/1.1 plain', S2: 'pair, mTLS, HTTP/1.1', S2h2: 'pair, mTLS, HTTP/2' }
const MAX_P50 = 1
const MAX_P99 = 1.1

async function dataPlane({ short, rounds, seconds, rows: wanted }: AllOptions): Promise<Verdict[]> {
  const scenarios = (['S1', 'S2', 'S2h2'] as const).filter((each) => wanted === undefined || wanted.includes(each.slice(0, 2)))
  const rows = await benchDataPlane({
    rounds: rounds ?? (short ? 1 : 5),
    seconds: seconds ?? (short ? 3 : 6),
    warmSeconds: short ? 3 : 6,
    scenarios,
    peers: undefined,
  })
  return rows.filter(({ peer }) => peer === 'lateen').flatMap((own) => dataPlaneVerdicts(own, rows))
}

function dataPlaneVerdicts(own: DataPlaneRow, all: readonly DataPlaneRow[]): Verdict[] {
  const same = all.filter(({ scenario, load }) => scenario === own.scenario && load === own.load)
  const envoy = same.find(({ peer }) => peer === 'envoy')
  const others = same.filter(({ peer }) => peer !== 'lateen' && peer !== 'envoy')
  const what = `${NAMES[own.scenario]}, ${own.load}`
  const row = own.scenario.slice(0, 2)
  const told = others.map(({ peer, cpuUsPerRequest }) => `, ${peer} ${cpuUsPerRequest.toFixed(1)}`).join('')
  const min = `; min ${own.minCpuUsPerRequest.toFixed(1)} and ${envoy?.minCpuUsPerRequest.toFixed(1) ?? '-'}`
  const max = MAX_RATIOS[own.scenario][own.load]
  const cpu = ratioAtMost(row, `${what}: CPU`, 'us/request', own.cpuUsPerRequest, envoy?.cpuUsPerRequest, max, `${told}${min}`)
  if (own.scenario === 'S1' || own.load === 'saturated') return [cpu]
  return [
    cpu,
    ratioAtMost(row, `${what}: added p50`, 'ms', own.addedP50Ms, envoy?.addedP50Ms, MAX_P50),
    ratioAtMost(row, `${what}: added p99`, 'ms', own.addedP99Ms, envoy?.addedP99Ms, MAX_P99),
  ]
}

/** The row of the bars that each of the protocols' rows belongs to. */
const BELONGS_TO: Readonly<Record<string, string>> = { S3: 'S3', G1: 'S3', G2: 'S4', W1: 'S4', T1: 'S5', T2: 'S5', B1: 'S7', B2: 'S7' }
const MAX_BULK_PEAK_MB = 100

async function protocols({ short, rounds, seconds, rows: wanted }: AllOptions): Promise<Verdict[]> {
  const rows = await benchProtocols({
    rounds: rounds ?? (short ? 1 : 5),
    seconds: seconds ?? (short ? 3 : 6),
    warmSeconds: short ? 2 : 6,
    rows: Object.keys(BELONGS_TO).filter((row) => wanted === undefined || wanted.includes(BELONGS_TO[row] ?? '')),
    peers: undefined,
  })
  const own = rows.filter(({ peer }) => peer === 'lateen')
  const missing = Object.keys(BELONGS_TO).filter((row) => !own.some(({ traffic }) => traffic.row === row))
  const absent = missing.filter((row) => wanted === undefined || wanted.includes(BELONGS_TO[row] ?? ''))
  return [
    ...own.flatMap((row) => protocolVerdicts(row, rows)),
    ...absent.map((row) => reported(BELONGS_TO[row] ?? row, `${row}: not measured, a program is not installed here`, '-')),
  ]
}

function protocolVerdicts(own: ProtocolRow, all: readonly ProtocolRow[]): Verdict[] {
  const { traffic } = own
  const row = BELONGS_TO[traffic.row] ?? traffic.row
  const envoy = all.find((each) => each.traffic === traffic && each.peer === 'envoy')
  const min = `; min ${own.minCpuUsPerUnit.toFixed(1)} and ${envoy?.minCpuUsPerUnit.toFixed(1) ?? '-'}`
  const cpu = ratioAtMost(row, traffic.what, `us/${traffic.unit}`, own.cpuUsPerUnit, envoy?.cpuUsPerUnit, traffic.maxRatio, min)
  if (!traffic.row.startsWith('B')) return [cpu]
  const peak = { own: `${own.peakMb.toFixed(0)} MB`, bar: `<= ${MAX_BULK_PEAK_MB} MB`, met: own.peakMb <= MAX_BULK_PEAK_MB }
  return [cpu, { ...reported(row, `${traffic.what}: peak RSS`, '', `envoy ${envoy?.peakMb.toFixed(0) ?? '-'} MB`), ...peak }]
}
