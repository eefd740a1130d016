// Which iptables of the image speaks to the rules of this node: nf_tables or legacy. Both can be in the kernel at once, and rules in
// the wrong one are in force beside those of others; so it is chosen by what is there, as istio-iptables does.

import { fail, type Result, succeed } from '../base/result.ts'
import type { Family } from './capture-options.ts'
import { explainFailure } from './explain-failure.ts'
import type { Ran, RunProgram } from './run-program.ts'
import { parseSavedRules } from './saved-rules.ts'

export type FlavourName = 'nft' | 'legacy'

export interface Flavour {
  /** `iptables-nft`: `-save` and `-restore` follow. */
  readonly program: string
  readonly why: string
}

/** Istio's order: legacy if it has rules, else nft, else legacy, else whatever `iptables` is. */
export async function chooseFlavour(run: RunProgram, family: Family, forced: FlavourName | undefined): Promise<Result<Flavour>> {
  const name = family === 4 ? 'iptables' : 'ip6tables'
  if (forced !== undefined) return usable(run, `${name}-${forced}`, 'it was asked for')
  if (await hasRules(run, `${name}-legacy`)) return usable(run, `${name}-legacy`, 'the legacy tables hold rules')
  const candidates: readonly Flavour[] = [
    { program: `${name}-nft`, why: 'the legacy tables are empty' },
    { program: `${name}-legacy`, why: 'nf_tables cannot be used' },
    { program: name, why: 'there is no other' },
  ]
  const failures: string[] = []
  for (const candidate of candidates) {
    const tried = await usable(run, candidate.program, candidate.why)
    if (tried.ok) return tried
    failures.push(...tried.problems.map(({ message }) => message))
  }
  // Of three that fail, one that is installed says more than two that are not.
  const telling = failures.find((message) => !message.includes('not installed')) ?? failures[0] ?? ''
  return fail('', telling)
}

/** Every flavour that is installed and holds chains or rules: what a clean-up has to look at. */
export async function flavoursInUse(run: RunProgram, family: Family): Promise<readonly Flavour[]> {
  const name = family === 4 ? 'iptables' : 'ip6tables'
  const found: Flavour[] = []
  for (const program of [`${name}-legacy`, `${name}-nft`]) {
    if (await hasRules(run, program)) found.push({ program, why: 'it holds rules' })
  }
  return found.length === 0 ? [{ program: name, why: 'there is no other' }] : found
}

/** Lists without creating anything: legacy names only tables that exist already. */
async function hasRules(run: RunProgram, program: string): Promise<boolean> {
  const saved = await run(`${program}-save`, [])
  if (saved.kind !== 'ran' || saved.code !== 0) return false
  const builtIn = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']
  return parseSavedRules(saved.output).some(({ name, rules }) => rules.length > 0 || !builtIn.includes(name))
}

/** Asks for the nat table: without rights or kernel support this is the first call that fails. */
async function usable(run: RunProgram, program: string, why: string): Promise<Result<Flavour>> {
  const saved = await run(`${program}-save`, ['-t', 'nat'])
  return succeeded(saved) ? succeed({ program, why }) : fail('', explainFailure(`${program}-save -t nat`, saved))
}

/** iptables-save of legacy prints its failures and ends with 0 or 1, by version. */
function succeeded(ran: Ran): boolean {
  return (
    ran.kind === 'ran' && ran.code === 0 && !/can't initialize|Could not fetch|Operation not permitted|Permission denied/i.test(ran.errors)
  )
}
