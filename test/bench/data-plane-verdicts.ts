// The bars of S1 and S2, held against what data-plane.ts has measured. Called by all.ts and bench.ts. Pure.
import type { DataPlaneRow } from './data-plane.ts'
import { ratioAtMost, reported, type Verdict } from './verdicts.ts'
import { FIRST_REQUESTS, SHORT_WARM_UP } from './warm-up.ts'

/** CPU per request, by scenario and load. */
const MAX_RATIOS: Readonly<Record<DataPlaneRow['scenario'], Readonly<Record<DataPlaneRow['load'], number>>>> = {
  S1: { saturated: 0.75, '2,000/s': 0.65 },
  S2: { saturated: 0.75, '2,000/s': 0.6 },
  S2h2: { saturated: 0.85, '2,000/s': 0.6 },
}
const NAMES = { S1: 'HTTP/1.1 plain', S2: 'pair, mTLS, HTTP/1.1', S2h2: 'pair, mTLS, HTTP/2' }
const MAX_P50 = 1
/** Below it the machine was saturated all the same, and latency is that of a queue. */
const MIN_PACE = 1950
const MAX_P99 = 1.1

export function dataPlaneVerdicts(rows: readonly DataPlaneRow[]): Verdict[] {
  return rows.filter(({ peer }) => peer === 'lateen').flatMap((own) => verdictsOf(own, rows))
}

function verdictsOf(own: DataPlaneRow, all: readonly DataPlaneRow[]): Verdict[] {
  const same = all.filter(({ scenario, load }) => scenario === own.scenario && load === own.load)
  const envoy = same.find(({ peer }) => peer === 'envoy')
  const others = same.filter(({ peer }) => peer !== 'lateen' && peer !== 'envoy')
  const what = `${NAMES[own.scenario]}, ${own.load}`
  const row = own.scenario.slice(0, 2)
  const told = others.map(({ peer, cpuUsPerRequest }) => `, ${peer} ${cpuUsPerRequest.toFixed(1)}`).join('')
  const min = `; min ${own.minCpuUsPerRequest.toFixed(1)} and ${envoy?.minCpuUsPerRequest.toFixed(1) ?? '-'}`
  const max = MAX_RATIOS[own.scenario][own.load]
  const beside = `${told}${min}${doubts(own)}`
  const cpu = ratioAtMost(row, `${what}: CPU`, 'us/request', own.cpuUsPerRequest, envoy?.cpuUsPerRequest, max, beside)
  if (own.load === 'saturated') return [cpu, first(row, own, same)]
  if (own.scenario === 'S1') return [cpu]
  return [
    cpu,
    ratioAtMost(row, `${what}: added p50`, 'ms', own.addedP50Ms, envoy?.addedP50Ms, MAX_P50),
    ratioAtMost(row, `${what}: added p99`, 'ms', own.addedP99Ms, envoy?.addedP99Ms, MAX_P99),
  ]
}

/** What the reader of a ratio must know: on a busy machine the row is another one than its name says. */
function doubts({ load, requestsPerSecond, warmRequests }: DataPlaneRow): string {
  const slow = load === '2,000/s' && requestsPerSecond < MIN_PACE ? `; only ${requestsPerSecond.toFixed(0)}/s went through` : ''
  return warmRequests < SHORT_WARM_UP.requests ? `${slow}; NOT WARM, after ${warmRequests} requests` : slow
}

/** What the other rows leave out: code that is not compiled yet. */
function first(row: string, own: DataPlaneRow, same: readonly DataPlaneRow[]): Verdict {
  const beside = same.filter(({ peer }) => peer !== 'lateen').map(({ peer, firstUsPerRequest: us }) => `${peer} ${us.toFixed(1)}`)
  const what = `${NAMES[own.scenario]}, first ${FIRST_REQUESTS.toLocaleString('en')} after the start: CPU`
  return reported(row, what, `${own.firstUsPerRequest.toFixed(0)} us/request`, beside.join(', '))
}
