// Cases from a seed, asked of both proxies. Called by generated.test.ts (bounded) and by the command (as many as wanted).
// Case i of a seed is always the same, whatever the number of cases.
import { stringify } from 'yaml'
import { noiseOf } from '../../fuzz/fuzz.ts'
import { type Leaf, lineOf } from '../different-leaves.ts'
import { differencesOf, type GeneratedCase } from './compare.ts'
import { type Lab, openLab } from './lab.ts'
import { generateRequest, wireOf } from './request.ts'
import { shrink } from './shrink.ts'
import { type GeneratedTable, generateTable } from './table.ts'

export interface Difference {
  readonly number: number
  readonly found: GeneratedCase
  readonly leaves: readonly Leaf[]
}

const REQUESTS_PER_TABLE = 10
const TABLES_PER_LAB = 200
/** So many exchanges under way keep both proxies busy without queues that would look like silence. */
const AT_ONCE = 8
/** Enough to see what is wrong; each costs starts of both proxies while it is made smaller. */
const ENOUGH = 60

export async function runGenerated(
  seed: number,
  cases: number,
  report: (done: number, found: readonly Difference[]) => void,
): Promise<readonly Difference[]> {
  const differences: Difference[] = []
  for (let from = 0; from < cases && differences.length < ENOUGH; from += TABLES_PER_LAB * REQUESTS_PER_TABLE) {
    const upTo = Math.min(cases, from + TABLES_PER_LAB * REQUESTS_PER_TABLE)
    const firstTable = from / REQUESTS_PER_TABLE
    const tables = Array.from({ length: Math.ceil((upTo - from) / REQUESTS_PER_TABLE) }, (_, index) => tableOf(seed, firstTable + index))
    const lab = await openLab(tables)
    try {
      const found = await runBatch(lab, tables, seed, from, upTo)
      differences.push(...found)
      report(upTo, found)
    } finally {
      await lab.stop()
    }
  }
  return differences.sort((one, other) => one.number - other.number)
}

async function runBatch(lab: Lab, tables: readonly GeneratedTable[], seed: number, from: number, upTo: number): Promise<Difference[]> {
  const differences: Difference[] = []
  let next = from
  const work = async (): Promise<void> => {
    for (let number = next++; number < upTo; number = next++) {
      const index = Math.floor((number - from) / REQUESTS_PER_TABLE)
      const table = tables[index]
      if (table === undefined) return
      const found = { table, request: generateRequest(noiseOf(mixed(seed, number, 2)), table) }
      const leaves = differencesOf(found, await lab.ask(index, found.request))
      if (leaves.length > 0) differences.push({ number, found, leaves })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return differences
}

function tableOf(seed: number, number: number): GeneratedTable {
  return generateTable(noiseOf(mixed(seed, number, 1)))
}

/** Neighbouring numbers must not have neighbouring sequences. */
function mixed(seed: number, number: number, salt: number): number {
  return (Math.imul(seed ^ (salt << 28), 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0
}

/** One of each kind: the same leaves differ. */
export function oneOfEachKind(differences: readonly Difference[]): readonly (readonly Difference[])[] {
  const kinds = new Map<string, Difference[]>()
  for (const each of differences) {
    const kind = each.leaves.map(({ at }) => at).join()
    kinds.set(kind, [...(kinds.get(kind) ?? []), each])
  }
  return [...kinds.values()]
}

/** The case as a file of test/differential/cases, ready to be committed, and what differs in it. */
export async function smallest(difference: Difference): Promise<string> {
  const { table, request } = await shrink(difference.found, new Set(difference.leaves.map(({ at }) => at)))
  const lab = await openLab([table])
  try {
    const lines = differencesOf({ table, request }, await lab.ask(0, request)).map(lineOf)
    const file = {
      what: 'say what both must do',
      ...(Object.keys(table.connectionManager).length === 0 ? {} : { connection_manager: table.connectionManager }),
      route_config: table.routeConfig,
      requests: [{ raw: wireOf(request).replaceAll('\r\n', '\n') }],
    }
    return `# generated case ${difference.number}\n${lines.map((line) => `# ${line.trim()}\n`).join('')}${stringify(file, { lineWidth: 140 })}`
  } finally {
    await lab.stop()
  }
}
