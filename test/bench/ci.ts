// npm run bench -- --ci: ratios of S1 to S3 to Envoy, the best of five interleaved windows of each, against those recorded in
// recorded-ratios.json; fails 25 % beyond a recorded one. The best and not the median: a machine that others use makes a run slower, never
// faster. One retry, of the rows that failed, on proxies started anew. Called by bench.ts. `--record` writes the file anew, the higher of
// two runs, on a machine that does nothing else.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { benchDataPlane, SCENARIOS } from './data-plane.ts'
import { findPeer } from './peers.ts'
import { benchProtocols } from './protocols.ts'
import { ratioAtMost, type Verdict } from './verdicts.ts'
import { SHORT_WARM_UP, type WarmUp } from './warm-up.ts'

const FILE = path.join(import.meta.dirname, 'recorded-ratios.json')
const ROUNDS = 5
/** Of a window; all rows, warm-ups included, take less than five minutes on a machine that does nothing else. */
const SECONDS = 2
/** More time on one that does: a proxy that is not warm fails a ratio that it would meet. */
const WARM_UP: WarmUp = { ...SHORT_WARM_UP, maxSeconds: 60 }
const SLACK = 1.25
const PROTOCOL_ROWS = ['S3', 'G1']

type Ratios = Readonly<Record<string, number>>

interface Best {
  readonly own: number
  readonly envoy: number
}

export async function benchForCi(): Promise<readonly Verdict[]> {
  if (findPeer('envoy').missing !== undefined) throw new Error("no Envoy to compare with: 'npm run envoy'")
  if (!existsSync(FILE)) throw new Error("no ratios are recorded yet: 'npm run bench -- --record', on a machine that does nothing else")
  const recorded: Ratios = JSON.parse(readFileSync(FILE, 'utf8'))
  const first = judge(await measure(Object.keys(recorded)), recorded)
  const absent = Object.keys(recorded).filter((key) => !first.has(key))
  // A check that is not made must not look like one.
  if (absent.length > 0) throw new Error(`recorded and not measured: ${absent.join(', ')}; the programs named above are not installed`)
  const failed = [...first].flatMap(([key, { met }]) => (met === false ? [key] : []))
  if (failed.length === 0) return [...first.values()]
  console.log(`  once more: ${failed.join(', ')}`)
  const again = judge(await measure(failed), recorded)
  return [...first].map(([key, verdict]) => again.get(key) ?? verdict)
}

export async function recordRatios(): Promise<Ratios> {
  const keys = [...SCENARIOS.map((scenario) => `${scenario} saturated`), ...PROTOCOL_ROWS]
  const runs = [await measure(keys), await measure(keys)]
  // The higher of two: a window in which we, or Envoy, were lucky is not the measure of all later ones.
  const ratio = (key: string): number => Math.max(...runs.map((run) => (run.get(key)?.own ?? 0) / (run.get(key)?.envoy ?? 0)))
  const ratios = Object.fromEntries([...(runs[0]?.keys() ?? [])].map((key) => [key, Number(ratio(key).toFixed(2))]))
  writeFileSync(FILE, `${JSON.stringify(ratios, undefined, 2)}\n`)
  return ratios
}

async function measure(keys: readonly string[]): Promise<ReadonlyMap<string, Best>> {
  const common = { rounds: ROUNDS, seconds: SECONDS, warmUp: WARM_UP, peers: ['lateen', 'envoy'] }
  const scenarios = SCENARIOS.filter((scenario) => keys.includes(`${scenario} saturated`))
  const protocolRows = PROTOCOL_ROWS.filter((row) => keys.includes(row))
  const found: { key: string; peer: string; us: number }[] = []
  if (scenarios.length > 0) {
    for (const { scenario, peer, minCpuUsPerRequest: us } of await benchDataPlane({ ...common, scenarios, loads: ['saturated'] }))
      found.push({ key: `${scenario} saturated`, peer, us })
  }
  if (protocolRows.length > 0) {
    for (const { traffic, peer, minCpuUsPerUnit: us } of await benchProtocols({ ...common, rows: protocolRows }))
      found.push({ key: traffic.row, peer, us })
  }
  const of = (key: string, peer: string): number => found.find((each) => each.key === key && each.peer === peer)?.us ?? 0
  const rows = [...new Set(found.map(({ key }) => key))]
  return new Map(rows.map((key) => [key, { own: of(key, 'lateen'), envoy: of(key, 'envoy') }]))
}

/** In the order of the recorded ones. */
function judge(measured: ReadonlyMap<string, Best>, recorded: Ratios): ReadonlyMap<string, Verdict> {
  const verdicts = new Map<string, Verdict>()
  for (const [key, ratio] of Object.entries(recorded).filter(([each]) => measured.has(each))) {
    const row = key.split(' ')[0] ?? key
    const what = `${key}: best of ${ROUNDS}, recorded ${ratio.toFixed(2)}`
    const { own = 0, envoy } = measured.get(key) ?? {}
    verdicts.set(key, ratioAtMost(row, what, 'us', own, envoy, ratio * SLACK))
  }
  return verdicts
}
