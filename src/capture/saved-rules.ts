// What iptables-save printed, as chains with their rules. Read before a change (what is there?) and after it (did it take?).
import { captureRange } from './range.ts'

export interface SavedChain {
  readonly table: string
  readonly name: string
  /** Without `-A CHAIN`, counters and differences of spelling. */
  readonly rules: readonly string[]
}

/** Chains in the order of the output; those that hold no rule too. */
export function parseSavedRules(output: string): readonly SavedChain[] {
  const chains = new Map<string, { table: string; name: string; rules: string[] }>()
  let table = ''
  const chain = (name: string): { rules: string[] } => {
    const key = `${table} ${name}`
    const found = chains.get(key) ?? { table, name, rules: [] }
    chains.set(key, found)
    return found
  }
  for (const line of output.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim()
    else if (line.startsWith(':')) chain(line.slice(1).split(' ')[0] ?? '')
    else {
      const [, name, text] = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line) ?? []
      if (name !== undefined) chain(name).rules.push((text ?? '').trimEnd())
    }
  }
  return [...chains.values()]
}

/** The same text for the same rule: versions of iptables quote comments or not, and spell some IPv6 addresses in two ways. */
export function sameSpelling(rule: string): string {
  return rule
    .replace(/--comment "?lateen"?(?= |$)/, '--comment lateen')
    .replace(
      /(^|! |\s)(-[sd]) (\S+)/g,
      (_all, before: string, flag: string, address: string) => `${before}${flag} ${captureRange(address)?.text ?? address}`,
    )
}
