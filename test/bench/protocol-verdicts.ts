// The bars of S3, S4, S5 and S7, held against what protocols.ts has measured. Called by all.ts. Pure.
import type { ProtocolRow } from './protocols.ts'
import { ratioAtMost, reported, type Verdict } from './verdicts.ts'

/** The row of the bars that each of the protocols' rows belongs to. */
export const BELONGS_TO: Readonly<Record<string, string>> = {
  S3: 'S3',
  G1: 'S3',
  G2: 'S4',
  W1: 'S4',
  T1: 'S5',
  T2: 'S5',
  B1: 'S7',
  B2: 'S7',
}
const MAX_BULK_PEAK_MB = 100

/** @param asked rows that should be there; a row that is not says why. */
export function protocolVerdicts(rows: readonly ProtocolRow[], asked: readonly string[]): Verdict[] {
  const own = rows.filter(({ peer }) => peer === 'lateen')
  const absent = asked.filter((row) => !own.some(({ traffic }) => traffic.row === row))
  return [
    ...own.flatMap((row) => verdictsOf(row, rows)),
    ...absent.map((row) => reported(BELONGS_TO[row] ?? row, `${row}: not measured, a program is not installed here`, '-')),
  ]
}

function verdictsOf(own: ProtocolRow, all: readonly ProtocolRow[]): Verdict[] {
  const { traffic } = own
  const row = BELONGS_TO[traffic.row] ?? traffic.row
  const envoy = all.find((each) => each.traffic === traffic && each.peer === 'envoy')
  const min = `; min ${own.minCpuUsPerUnit.toFixed(1)} and ${envoy?.minCpuUsPerUnit.toFixed(1) ?? '-'}`
  const cpu = ratioAtMost(row, traffic.what, `us/${traffic.unit}`, own.cpuUsPerUnit, envoy?.cpuUsPerUnit, traffic.maxRatio, min)
  if (!traffic.row.startsWith('B')) return [cpu]
  const peak = { own: `${own.peakMb.toFixed(0)} MB`, bar: `<= ${MAX_BULK_PEAK_MB} MB`, met: own.peakMb <= MAX_BULK_PEAK_MB }
  return [cpu, { ...reported(row, `${traffic.what}: peak RSS`, '', `envoy ${envoy?.peakMb.toFixed(0) ?? '-'} MB`), ...peak }]
}
