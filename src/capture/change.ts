// From what is there to what is wanted, as one input for iptables-restore --noflush: the kernel takes each table in one step, so no
// packet ever meets half of the rules. Pure; the same function makes the first set-up, a repair and the clean-up (nothing wanted).
// Invariant: rules and chains that this program did not make are never named in a change.
import { isOwnChain, isOwnRule, type Rule, type Table } from './rule.ts'
import { type SavedChain, sameSpelling } from './saved-rules.ts'

export interface Difference {
  readonly table: string
  readonly chain: string
  readonly missing: readonly string[]
  readonly unexpected: readonly string[]
}

const TABLES: readonly Table[] = ['raw', 'mangle', 'nat']

/** Empty: everything is in place, in order, and nothing of ours is left over. */
export function differences(saved: readonly SavedChain[], wanted: readonly Rule[]): readonly Difference[] {
  const names = new Map<string, readonly [string, string]>()
  for (const { table, chain } of wanted) names.set(`${table} ${chain}`, [table, chain])
  for (const { table, name } of saved.filter((each) => isOurs(each.table))) names.set(`${table} ${name}`, [table, name])
  return [...names.values()].flatMap(([table, chain]) => {
    const found = saved.find((each) => each.table === table && each.name === chain)
    const there = ownRules(chain, found?.rules ?? []).map(sameSpelling)
    const rules = wantedIn(wanted, table, chain).map(({ text }) => sameSpelling(text))
    const isLeftover = isOwnChain(chain) && rules.length === 0
    const missing = without(rules, there)
    const unexpected = without(there, rules)
    // The same rules in another order decide differently.
    const isReordered = missing.length === 0 && unexpected.length === 0 && there.some((text, index) => text !== rules[index])
    if (missing.length === 0 && unexpected.length === 0 && !isLeftover && !isReordered) return []
    return [{ table, chain, missing: isReordered ? rules : missing, unexpected: isReordered ? there : unexpected }]
  })
}

/** The filter table is never ours, whatever a chain there is called. */
function isOurs(table: string): boolean {
  return TABLES.some((each) => each === table)
}

/** Empty when there is nothing to do. */
export function restoreInput(saved: readonly SavedChain[], wanted: readonly Rule[], withReasons = false): string {
  const tables = TABLES.map((table) => tableInput(table, saved, wanted, withReasons)).filter((text) => text !== '')
  return tables.length === 0 ? '' : `${tables.join('\n')}\n`
}

function tableInput(table: Table, saved: readonly SavedChain[], wanted: readonly Rule[], withReasons: boolean): string {
  const there = saved.filter((chain) => chain.table === table)
  const rules = wanted.filter((rule) => rule.table === table)
  const chains = chainsOf(rules)
  const old = there.filter(({ name }) => isOwnChain(name)).map(({ name }) => name)
  // Naming a chain creates it, or empties it where it exists.
  const declared = [...new Set([...chains, ...old])].map((name) => `:${name} - [0:0]`)
  const removed = there
    .filter(({ name }) => !isOwnChain(name))
    .flatMap(({ name, rules: texts }) => ownRules(name, texts).map((text) => `-D ${name} ${text}`))
  const added = ruleLines(rules, withReasons)
  const dropped = old.filter((name) => !chains.includes(name)).map((name) => `-X ${name}`)
  const lines = [...declared, ...removed, ...added, ...dropped]
  return lines.length === 0 ? '' : [`*${table}`, ...lines, 'COMMIT'].join('\n')
}

function ruleLines(rules: readonly Rule[], withReasons: boolean): readonly string[] {
  const positions = new Map<string, number>()
  let reason = ''
  return rules.flatMap(({ chain, text, place, why }) => {
    const position = (positions.get(chain) ?? 0) + 1
    if (place === 'head') positions.set(chain, position)
    const line = place === 'head' ? `-I ${chain} ${position} ${text}` : `-A ${chain} ${text}`
    const comment = withReasons && why !== reason ? [`# ${why}`] : []
    reason = why
    return [...comment, line]
  })
}

/** Also those that are only jumped to: a jump to a chain that nobody declared is refused. */
function chainsOf(rules: readonly Rule[]): readonly string[] {
  const targets = rules.flatMap(({ text }) => /-j (LATEEN_\w+)$/.exec(text)?.[1] ?? [])
  return [...new Set([...rules.map(({ chain }) => chain).filter(isOwnChain), ...targets])]
}

/** In a chain of ours all are; in one of the kernel's those that carry our mark. */
function ownRules(chain: string, texts: readonly string[]): readonly string[] {
  return isOwnChain(chain) ? texts : texts.filter(isOwnRule)
}

/** In the order in which the chain will hold them: the head, then the tail. */
function wantedIn(wanted: readonly Rule[], table: string, chain: string): readonly Rule[] {
  const here = wanted.filter((rule) => rule.table === table && rule.chain === chain)
  return [...here.filter(({ place }) => place === 'head'), ...here.filter(({ place }) => place === 'tail')]
}

function without(from: readonly string[], taken: readonly string[]): readonly string[] {
  const left = [...taken]
  return from.filter((text) => {
    const at = left.indexOf(text)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}
