// Makes the rules of a pod, or removes them: choose the program, read what is there, change it in one step, read it back.
// Called by bin/iptables.ts. Invariant: 'done' is said only of what was read back from the kernel.
import { fail, formatProblems, type Problem, type Result, succeed } from '../base/result.ts'
import type { Family } from './capture-options.ts'
import { type Difference, differences, restoreInput } from './change.ts'
import { explainFailure } from './explain-failure.ts'
import { chooseFlavour, type Flavour, flavoursInUse } from './flavour.ts'
import type { CaptureRequest } from './read-options.ts'
import type { Rule } from './rule.ts'
import { captureRules } from './rules/capture-rules.ts'
import type { RunProgram } from './run-program.ts'
import { parseSavedRules, type SavedChain } from './saved-rules.ts'

export interface Host {
  readonly run: RunProgram
  /** What was done, a line at a time. */
  readonly say: (line: string) => void
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean
  /** The pod has an address that others can reach by IPv6. */
  readonly hasIpv6Address: boolean
}

interface Target {
  readonly family: Family
  readonly flavour: Flavour
  readonly saved: readonly SavedChain[]
  readonly wanted: readonly Rule[]
}

/** The source that the proxy binds towards the application; IPv4 has all of 127.0.0.0/8 on lo, IPv6 only ::1. */
const PASSTHROUGH6 = '::6/128'

export async function setUpCapture(request: CaptureRequest, host: Host): Promise<Result<void>> {
  const targets: Target[] = []
  for (const family of [4, 6] as const) {
    const target = await prepare(request, host, family)
    if (!target.ok) return target
    if (target.value !== undefined) targets.push(target.value)
  }
  if (host.hasIpv6Address) {
    const added = await runOrExplain(host.run, 'ip', ['-6', 'address', 'replace', PASSTHROUGH6, 'dev', 'lo'])
    if (!added.ok) return added
  }
  for (const target of targets) {
    const applied = await apply(target, request.forceApply, host)
    if (!applied.ok) return applied
  }
  return succeed(undefined)
}

export async function cleanUpCapture(host: Host): Promise<Result<void>> {
  for (const family of [4, 6] as const) {
    if (family === 6 && !host.hasIpv6) continue
    for (const flavour of await flavoursInUse(host.run, family)) {
      const saved = await readSaved(host.run, flavour)
      if (!saved.ok) return saved
      const applied = await apply({ family, flavour, saved: saved.value, wanted: [] }, false, host)
      if (!applied.ok) return applied
    }
  }
  if (!host.hasIpv6) return succeed(undefined)
  const shown = await host.run('ip', ['-6', 'address', 'show', 'dev', 'lo', 'to', PASSTHROUGH6])
  if (shown.kind === 'not-installed' || !shown.output.includes('::6')) return succeed(undefined)
  return runOrExplain(host.run, 'ip', ['-6', 'address', 'delete', PASSTHROUGH6, 'dev', 'lo'])
}

/** Everything that can fail before the first change; undefined where the family is left out. */
async function prepare(request: CaptureRequest, host: Host, family: Family): Promise<Result<Target | undefined>> {
  if (family === 6 && !host.hasIpv6) {
    host.say('IPv6: the kernel has none; nothing to do')
    return succeed(undefined)
  }
  const flavour = await chooseFlavour(host.run, family, request.forcedFlavour)
  if (!flavour.ok) {
    if (family === 4 || host.hasIpv6Address) return flavour
    host.say(`IPv6: left out, for the pod has no IPv6 address and ${formatProblems(flavour.problems)}`)
    return succeed(undefined)
  }
  const saved = await readSaved(host.run, flavour.value)
  if (!saved.ok) return saved
  const foreign = saved.value.find(({ name }) => name.startsWith('ISTIO_'))
  if (foreign !== undefined && !request.forceApply) {
    return fail(
      '',
      `another mesh captures this pod already (chain ${foreign.name} in table ${foreign.table}): remove its sidecar injection, or its rules with istio-iptables --cleanup-only, or go on with --force-apply`,
    )
  }
  return succeed({ family, flavour: flavour.value, saved: saved.value, wanted: captureRules(request.capture, family) })
}

async function apply({ family, flavour, saved, wanted }: Target, force: boolean, host: Host): Promise<Result<void>> {
  const name = `IPv${family} (${flavour.program}: ${flavour.why})`
  const found = differences(saved, wanted)
  if (found.length === 0 && !(force && wanted.length > 0)) {
    host.say(`${name}: ${wanted.length === 0 ? 'nothing to remove' : `all ${wanted.length} rules are in place`}`)
    return succeed(undefined)
  }
  const restore = [`${flavour.program}-restore`, ['--noflush', ...(flavour.program.endsWith('-nft') ? [] : ['--wait=30'])]] as const
  const restored = await runOrExplain(host.run, ...restore, restoreInput(saved, wanted))
  if (!restored.ok) return restored
  const after = await readSaved(host.run, flavour)
  if (!after.ok) return after
  const left = differences(after.value, wanted)
  if (left.length > 0) return { ok: false, problems: left.map((each) => notTaken(flavour, each)) }
  host.say(`${name}: ${wanted.length === 0 ? 'removed' : `${wanted.length} rules set${replaced(saved, found)}`}, and read back`)
  return succeed(undefined)
}

/** What was wrong with the rules that were there; nothing at the first set-up. */
function replaced(saved: readonly SavedChain[], found: readonly Difference[]): string {
  if (differences(saved, []).length === 0) return ''
  const places = found.map(({ table, chain, missing, unexpected }) => {
    const counts = [
      ...(missing.length > 0 ? [`${missing.length} missing`] : []),
      ...(unexpected.length > 0 ? [`${unexpected.length} unexpected`] : []),
    ]
    return `${table} ${chain}${counts.length === 0 ? ' left over' : `: ${counts.join(', ')}`}`
  })
  return `, in place of others (${places.length === 0 ? 'the same, forced' : places.join('; ')})`
}

function notTaken({ program }: Flavour, { table, chain, missing, unexpected }: Difference): Problem {
  const list = (what: string, rules: readonly string[]): string =>
    rules.length === 0 ? '' : ` ${what} ${rules.map((rule) => `'${rule}'`).join(', ')}.`
  const message = `${program}-restore took the rules, and ${program}-save shows others in table ${table}:${list('Missing:', missing)}${list('Unexpected:', unexpected)} Something else changes rules here; see who, and try again.`
  return { path: chain, message }
}

async function readSaved(run: RunProgram, { program }: Flavour): Promise<Result<readonly SavedChain[]>> {
  const saved = await run(`${program}-save`, [])
  if (saved.kind === 'ran' && saved.code === 0) return succeed(parseSavedRules(saved.output))
  return fail('', explainFailure(`${program}-save`, saved))
}

async function runOrExplain(run: RunProgram, program: string, args: readonly string[], input?: string): Promise<Result<void>> {
  const ran = await run(program, args, input)
  return ran.kind === 'ran' && ran.code === 0 ? succeed(undefined) : fail('', explainFailure([program, ...args].join(' '), ran))
}
