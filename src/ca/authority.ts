// What signs now, and what is trusted now: the mesh's own root, or a CA that was plugged in, through changes of either without a restart.
// Opened by the composition root, which hands `issuing` to the issuer and `bundle` to everybody who verifies.
// Invariants: nothing is issued from a root before it was in the bundle for `spreadMs`; a root stays in the bundle until the last
// certificate below it has ended; a set that does not hold leaves the last good one in force.
import { join } from 'node:path'
import type { Clock, Timer } from '../base/clock.ts'
import { contentHash } from '../base/content-hash.ts'
import { LateenError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { formatProblems, type Problem, type Result } from '../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../base/watchable.ts'
import { joinBundles, parseTrustBundle, type TrustBundle } from '../identity/trust-bundle.ts'
import { type CaFiles, type CaSet, readCaSet, rootPemOf } from './ca-set.ts'
import { readCacertsFolder } from './cacerts-folder.ts'
import { openRoot } from './roots.ts'
import { pemsOf, type RetiringRoot, readTrustRecord, retire, writeTrustRecord } from './trusted-roots.ts'

export interface AuthorityOptions {
  readonly stateFolder: string
  /** Where a CA may be plugged in. */
  readonly cacertsFolder: string
  readonly trustDomain: string
  readonly clock: Clock
  readonly log: Logger
  /** How long a certificate lives at most. */
  readonly maxValidityMs: number
  /** How long a new root is in the bundle before something is issued from it. */
  readonly spreadMs?: number
  /** How often the files are looked at. */
  readonly pollMs?: number
}

export interface Authority {
  readonly issuing: ReadonlyWatchable<CaSet>
  readonly bundle: ReadonlyWatchable<TrustBundle>
  /** Read and sound, but its root is not spread yet. */
  readonly pending: { readonly set: CaSet; readonly fromMs: number } | undefined
  readonly retiring: readonly RetiringRoot[]
  /** What is wrong with the files that are there now; they are not in force. */
  readonly refused: readonly Problem[]
  /** There is a revocation list; none is in force. */
  readonly hasCrl: boolean
  /** Looks at the files now. */
  reload(): void
  stop(): void
}

/** Mounted Secrets change by swapping a symbolic link, which file watchers miss on some systems; so the files are looked at. */
const POLL_MS = 2000
/** Sidecars look at the file of roots every 5 seconds; some are slow. */
export const ROOT_SPREAD_MS = 30_000
/** After the last certificate has ended: clocks differ. */
export const RETIRE_MARGIN_MS = 10 * 60_000

export function openAuthority(options: AuthorityOptions): Authority {
  const { clock, log, cacertsFolder, spreadMs = ROOT_SPREAD_MS, pollMs = POLL_MS } = options
  const recordPath = join(options.stateFolder, 'ca', 'trusted-roots.json')
  const record = readTrustRecord(recordPath, log)
  const first = firstSet(options, record?.source)
  const issuing = new Watchable(first.set)
  let retiring: readonly RetiringRoot[] = record === undefined ? [] : afterRestart(record.rootsPem, record.retiring, first.set, options)
  let pending: { readonly set: CaSet; readonly fromMs: number } | undefined
  let refused: readonly Problem[] = []
  let hasCrl = first.hasCrl
  const timers = new Map<'poll' | 'switch' | 'retire', Timer>()
  const bundle = new Watchable(bundleOf(first.set, undefined, retiring), (a, b) => a.hash === b.hash)

  const after = (name: 'poll' | 'switch' | 'retire', delayMs: number, action: () => void): void => {
    timers.get(name)?.cancel()
    timers.set(name, clock.after(delayMs, action, { background: true }))
  }
  const settle = (): void => {
    const nowMs = clock.nowMs()
    retiring = retiring.filter(({ untilMs }) => untilMs > nowMs)
    writeTrustRecord(recordPath, { source: issuing.value.source, rootsPem: issuing.value.bundle.pem, retiring })
    bundle.set(bundleOf(issuing.value, pending?.set, retiring))
    timers.get('retire')?.cancel()
    if (retiring.length > 0) after('retire', Math.min(...retiring.map(({ untilMs }) => untilMs)) - nowMs, settle)
  }
  const issueFrom = (set: CaSet): void => {
    const before = issuing.value
    const untilMs = clock.nowMs() + options.maxValidityMs + RETIRE_MARGIN_MS
    pending = undefined
    timers.get('switch')?.cancel()
    const stays = pemsOf(set.bundle)
    retiring = [...retiring.filter(({ pem }) => !stays.includes(pem)), ...retire(before.bundle, set.bundle, untilMs)]
    issuing.set(set)
    settle()
    log.info('certificates are issued from another authority', { issuer: set.issuer.serial, root: set.root.serial, source: set.source })
  }
  /** A set that is sound and not the one in force. */
  const take = (set: CaSet): void => {
    if (pending?.set.hash === set.hash) return
    // A root that everybody has had for long may be issued from at once: a new intermediate, or a way back.
    const known = pemsOf(bundleOf(issuing.value, undefined, retiring))
    if (known.includes(rootPemOf(set))) return issueFrom(set)
    pending = { set, fromMs: clock.nowMs() + spreadMs }
    settle()
    log.info('a new root is spread before certificates are issued from it', { root: set.root.serial, issuedFromInMs: spreadMs })
    after('switch', spreadMs, () => issueFrom(set))
  }
  let seen = ''
  const reload = (): void => {
    const files = readCacertsFolder(cacertsFolder)
    const now = fingerprint(files)
    if (now === seen) return
    seen = now
    const read = readPluggedIn(files, clock.nowMs())
    const problems = read.ok ? (read.value === undefined && issuing.value.source === 'plugged-in' ? GONE : []) : read.problems
    if (formatProblems(problems) !== formatProblems(refused) && problems.length > 0) {
      log.warn('the plugged-in CA is not taken; the last good one stays in force', {
        folder: cacertsFolder,
        reason: formatProblems(problems),
      })
    }
    refused = problems
    if (!read.ok || read.value === undefined) return
    hasCrl = read.value.hasCrl
    if (read.value.set.hash !== issuing.value.hash) return take(read.value.set)
    if (pending === undefined) return
    // Back to what is in force: nothing was issued from the other.
    pending = undefined
    timers.get('switch')?.cancel()
    settle()
  }
  const poll = (): void => {
    reload()
    after('poll', pollMs, poll)
  }
  settle()
  after('poll', pollMs, poll)
  return {
    issuing,
    bundle,
    get pending() {
      return pending
    },
    get retiring() {
      return retiring
    },
    get refused() {
      return refused
    },
    get hasCrl() {
      return hasCrl
    },
    reload,
    stop() {
      for (const timer of timers.values()) timer.cancel()
    },
  }
}

const GONE: readonly Problem[] = [{ path: '', message: 'the folder of the plugged-in CA is gone or empty; put it back' }]

interface PluggedIn {
  readonly set: CaSet
  readonly hasCrl: boolean
}

/** Most looks find what was there before. */
function fingerprint(files: Result<CaFiles | undefined>): string {
  if (!files.ok) return formatProblems(files.problems)
  return contentHash([...(files.value ?? [])].map(([name, bytes]) => `${name} ${Buffer.from(bytes).toString('latin1')}`).join('\0'))
}

function readPluggedIn(files: Result<CaFiles | undefined>, nowMs: number): Result<PluggedIn | undefined> {
  if (!files.ok || files.value === undefined) return files.ok ? { ok: true, value: undefined } : files
  const set = readCaSet(files.value, nowMs)
  return set.ok ? { ok: true, value: { set: set.value, hasCrl: hasCrl(files.value) } } : set
}

function hasCrl(files: CaFiles): boolean {
  return files.has('ca-crl.pem')
}

/** At the start there is no last good set: what does not hold stops the start with its sentence. */
function firstSet(options: AuthorityOptions, before: CaSet['source'] | undefined): PluggedIn {
  const { cacertsFolder, clock } = options
  const read = readPluggedIn(readCacertsFolder(cacertsFolder), clock.nowMs())
  if (!read.ok) throw new LateenError('CACERTS_REFUSED', `the CA in ${cacertsFolder} cannot be used: ${formatProblems(read.problems)}`)
  if (read.value !== undefined) return read.value
  if (before === 'plugged-in') {
    throw new LateenError(
      'CACERTS_GONE',
      `this mesh issued from a CA in ${cacertsFolder}, which is not there any more; put it back. To begin with a root of its own, remove ` +
        `${join(options.stateFolder, 'ca', 'trusted-roots.json')}: no workload will then trust another until all have new certificates`,
    )
  }
  return { set: openRoot(options), hasCrl: false }
}

/** The files changed while nothing ran: what was issued before must still be believed. */
function afterRestart(rootsPem: string, retiring: readonly RetiringRoot[], set: CaSet, options: AuthorityOptions): readonly RetiringRoot[] {
  const before = parseTrustBundle(rootsPem)
  const untilMs = options.clock.nowMs() + options.maxValidityMs + RETIRE_MARGIN_MS
  return [
    ...retiring.filter(({ pem }) => !pemsOf(set.bundle).includes(pem)),
    ...(before.ok ? retire(before.value, set.bundle, untilMs) : []),
  ]
}

/** What is issued from first. */
function bundleOf(set: CaSet, pending: CaSet | undefined, retiring: readonly RetiringRoot[]): TrustBundle {
  const others = retiring.flatMap(({ pem }) => {
    const parsed = parseTrustBundle(pem)
    return parsed.ok ? [parsed.value] : []
  })
  return joinBundles(set.bundle, ...(pending === undefined ? [] : [pending.bundle]), ...others)
}
