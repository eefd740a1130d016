// npm run bench -- all [--short] [--rows S1,S6]: every row of the data plane's bars, one after the other, and one table. Called by bench.ts.
// The order is that of the table in the bars; a row that cannot be measured here says so instead of being left out.
import type { Scenario } from './chains.ts'
import { benchDataPlane, SCENARIOS } from './data-plane.ts'
import { dataPlaneVerdicts } from './data-plane-verdicts.ts'
import { benchHandshakes } from './handshakes.ts'
import { BELONGS_TO, protocolVerdicts } from './protocol-verdicts.ts'
import { benchProtocols } from './protocols.ts'
import { benchPushes } from './pushes.ts'
import { benchSidecarMemory } from './sidecar-memory.ts'
import { benchSlowReader } from './slow-reader.ts'
import { benchStarts } from './starts.ts'
import { benchThreads } from './threads.ts'
import { reported, type Verdict } from './verdicts.ts'
import { FULL_WARM_UP, SHORT_WARM_UP, type Size } from './warm-up.ts'

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
  ...SCENARIOS.map((scenario) => ({ rows: [scenario.slice(0, 2)], run: (options: AllOptions) => dataPlane(scenario, options) })),
  ...Object.entries(BELONGS_TO).map(([row, bar]) => ({ rows: [bar], run: (options: AllOptions) => protocol(row, options) })),
  { rows: ['S6'], run: (options) => benchHandshakes(sizeOf(options)) },
  { rows: ['S7'], run: ({ short }) => benchSlowReader(short ? 256 : 1024) },
  { rows: ['S8'], run: ({ short }) => benchSidecarMemory(short ? 5 : 60) },
  { rows: ['S9', 'S10'], run: ({ short, rounds }) => benchStarts(rounds ?? (short ? 1 : FULL.rounds)) },
  { rows: ['S11'], run: (options) => benchThreads(sizeOf(options)) },
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

/** Windows are short and many: a minute in which others use the machine then meets every peer. */
const FULL: Size = { rounds: 5, seconds: 3, warmUp: FULL_WARM_UP }
const SHORT: Size = { rounds: 3, seconds: 1.5, warmUp: SHORT_WARM_UP }

export function sizeOf({ short, rounds, seconds }: Omit<AllOptions, 'rows'>): Size {
  const size = short ? SHORT : FULL
  return { ...size, rounds: rounds ?? size.rounds, seconds: seconds ?? size.seconds }
}

async function dataPlane(scenario: Scenario, options: AllOptions): Promise<Verdict[]> {
  return dataPlaneVerdicts(await benchDataPlane({ ...sizeOf(options), scenarios: [scenario], peers: undefined }))
}

async function protocol(row: string, options: AllOptions): Promise<Verdict[]> {
  return protocolVerdicts(await benchProtocols({ ...sizeOf(options), rows: [row], peers: undefined }), [row])
}
