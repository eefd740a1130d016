// The authority of a mesh on Kubernetes: the mesh's own root in a Secret, or a user's `cacerts` Secret, which wins. Every replica reads both
// and issues; the leader alone decides what happens next (authority-record.ts) and writes it beside the key.
// Opened by the composition root in place of authority.ts. Invariants: the root's key is made once, by a create that fails when there is one;
// no replica issues from a set that the record does not name; a set that does not hold leaves the last good one in force.
import { type Clock, delay, type Timer } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { formatProblems, type Problem } from '../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../base/watchable.ts'
import type { TrustBundle } from '../identity/trust-bundle.ts'
import type { KubeClient } from '../kube/client.ts'
import { type Authority, RETIRE_MARGIN_MS } from './authority.ts'
import { type AuthorityRecord, bundleOfRecord, isSameRecord, nextRecord } from './authority-record.ts'
import { CA_SECRET, CACERTS_SECRET, watchAuthoritySecrets } from './authority-secrets.ts'
import { type CaFiles, type CaSet, readCaSet } from './ca-set.ts'
import { makeRoot } from './roots.ts'

export interface ClusterAuthorityOptions {
  readonly client: KubeClient
  /** Where the Secrets are: the system namespace. */
  readonly namespace: string
  readonly trustDomain: string
  /** Whether this replica decides; the others follow. */
  readonly isLeader: ReadonlyWatchable<boolean>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** How long a certificate lives at most. */
  readonly maxValidityMs: number
  readonly spreadMs?: number
  readonly spreadCapMs?: number
  /** Whether everybody trusts the bundle of this hash: asked when `spreadMs` is over, and again until yes or `spreadCapMs`. */
  readonly everyoneTrusts?: (bundleHash: string) => boolean
  /** Gives up waiting for something to issue from. */
  readonly signal?: AbortSignal
}

/** Kubelets bring a changed ConfigMap into running pods within their sync period (a minute) and what they cache. */
export const CLUSTER_ROOT_SPREAD_MS = 150_000
/** A proxy that has not said within an hour that it trusts the new root is named in the log, and not waited for any longer. */
const SPREAD_CAP_MS = 3_600_000
const LOOK_MS = 2_000
/** When nothing is under way: roots end, and nothing tells us so. */
const SETTLED_LOOK_MS = 60_000
const SAY_WAITING_MS = 30_000

/** Resolves when there is something to issue from: at once, or when the leader has made it. */
export async function openClusterAuthority(options: ClusterAuthorityOptions): Promise<Authority> {
  const authority = new ClusterAuthority(options)
  try {
    await authority.opened(options.signal)
  } catch (error) {
    authority.stop()
    throw error
  }
  return authority.view()
}

interface ReadSet {
  readonly set: CaSet | undefined
  readonly problems: readonly Problem[]
}

const NOTHING: ReadSet = { set: undefined, problems: [] }

interface InForce {
  readonly issuing: Watchable<CaSet>
  readonly bundle: Watchable<TrustBundle>
}

class ClusterAuthority {
  readonly #options: ClusterAuthorityOptions
  readonly #secrets: ReturnType<typeof watchAuthoritySecrets>
  readonly #stopWatching: readonly (() => void)[]
  /** By hash: what the record may name. */
  readonly #known = new Map<string, CaSet>()
  readonly #read = new WeakMap<CaFiles, ReadSet>()
  #inForce: InForce | undefined
  #record: AuthorityRecord | undefined
  #followed: AuthorityRecord | undefined
  /** The mesh's own root as it was last seen: put back when somebody deletes the Secret. */
  #own: CaFiles | undefined
  #refused: readonly Problem[] = []
  #isWriting = false
  /** A step was decided that could not be written. */
  #isOwed = false
  #stopped = false
  #timer: Timer | undefined
  #wake: () => void = () => undefined

  constructor(options: ClusterAuthorityOptions) {
    this.#options = options
    this.#secrets = watchAuthoritySecrets(options)
    this.#stopWatching = [this.#secrets.watch(() => this.#step()), options.isLeader.watch(() => this.#step())]
    void this.#secrets.synced.then(() => this.#step())
  }

  /** Resolves when a certificate can be issued. */
  async opened(signal: AbortSignal | undefined): Promise<void> {
    const { clock, log, namespace } = this.#options
    let sayAtMs = clock.monotonicMs() + SAY_WAITING_MS
    while (this.#inForce === undefined) {
      if (signal?.aborted === true) throw new LateenError('CA_NOT_OPENED', `stopped while waiting: ${this.#whyWaiting()}`)
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      await delay(clock, LOOK_MS, signal === undefined ? woken.signal : AbortSignal.any([woken.signal, signal]))
      if (this.#inForce !== undefined || clock.monotonicMs() < sayAtMs) continue
      sayAtMs = clock.monotonicMs() + SAY_WAITING_MS
      log.warn('no certificate can be issued yet', { reason: this.#whyWaiting(), namespace })
    }
  }

  #whyWaiting(): string {
    if (!this.#secrets.isSynced) return `the Secrets ${CA_SECRET} and ${CACERTS_SECRET} could not be read yet`
    if (this.#refused.length > 0) return `no Secret with an authority can be used: ${formatProblems(this.#refused)}`
    if (this.#record === undefined) return `the leader has not made the Secret ${CA_SECRET} yet`
    return 'the set that certificates were issued from is gone, and the root of the one that is there is being spread'
  }

  /** Now and then beside every change: phases end, and so do roots. */
  #lookLater(): void {
    const isSettled = this.#inForce !== undefined && this.#refused.length === 0 && !this.#isOwed && this.#record?.pending === undefined
    this.#timer?.cancel()
    if (this.#stopped) return
    this.#timer = this.#options.clock.after(isSettled ? SETTLED_LOOK_MS : LOOK_MS, () => this.#step(), { background: true })
  }

  #step(): void {
    if (this.#stopped || !this.#secrets.isSynced) return
    const record = this.#secrets.record() ?? this.#record
    this.#record = record
    const candidate = this.#candidate(record)
    if (record !== undefined) this.#follow(record)
    if (this.#options.isLeader.value) void this.#lead(record, candidate)
    this.#lookLater()
  }

  /** What should issue, with what is wrong with it remembered. */
  #candidate(record: AuthorityRecord | undefined): CaSet | undefined {
    const { cacerts, own = this.#own } = this.#secrets.files()
    this.#own = own
    const ownSet = own === undefined ? NOTHING : this.#readSet(own, 'self-signed')
    if (cacerts === undefined) {
      const isGone = record?.source === 'plugged-in'
      this.#refuse(isGone ? GONE : ownSet.problems, isGone ? CACERTS_SECRET : CA_SECRET)
      return isGone ? undefined : ownSet.set
    }
    const { set, problems } = this.#readSet(cacerts, 'plugged-in')
    this.#refuse(problems, CACERTS_SECRET)
    return set
  }

  #readSet(files: CaFiles, source: CaSet['source']): ReadSet {
    const before = this.#read.get(files)
    if (before !== undefined) return before
    const result = readCaSet(files, this.#options.clock.nowMs(), source)
    const read = result.ok ? { set: result.value, problems: [] } : { set: undefined, problems: result.problems }
    // What does not hold may hold later: a certificate that is valid from tomorrow on.
    if (read.set === undefined) return read
    this.#read.set(files, read)
    this.#known.set(read.set.hash, read.set)
    return read
  }

  #refuse(problems: readonly Problem[], secret: string): void {
    if (formatProblems(problems) === formatProblems(this.#refused)) return
    this.#refused = problems
    if (problems.length === 0) return
    this.#options.log.warn('a certificate authority is not taken; the last good one stays in force', {
      secret: `${this.#options.namespace}/${secret}`,
      reason: formatProblems(problems),
    })
  }

  /** Every replica, the leader too: what the record says. The bundle first, so that what is issued is trusted. */
  #follow(record: AuthorityRecord): void {
    const set = this.#known.get(record.issuing)
    if (record === this.#followed && set === this.#inForce?.issuing.value) return
    this.#followed = record
    const bundle = bundleOfRecord(record)
    if (bundle === undefined) return
    if (this.#inForce === undefined) {
      if (set === undefined) return
      this.#inForce = { issuing: new Watchable(set, sameHash), bundle: new Watchable(bundle, sameHash) }
      this.#forget()
      return this.#wake()
    }
    const { issuing } = this.#inForce
    this.#inForce.bundle.set(bundle)
    // Unknown: its Secret has not come to us yet; the set before stays trusted for a day.
    if (set === undefined || set.hash === issuing.value.hash) return
    issuing.set(set)
    this.#forget()
    const { issuer, root, source } = set
    this.#options.log.info('certificates are issued from another authority', { issuer: issuer.serial, root: root.serial, source })
  }

  /** Keys that nothing will be issued from. */
  #forget(): void {
    const { cacerts, own } = this.#secrets.files()
    const kept = [cacerts, own].map((files) => (files === undefined ? undefined : this.#read.get(files)?.set?.hash))
    for (const hash of this.#known.keys()) if (hash !== this.#record?.issuing && !kept.includes(hash)) this.#known.delete(hash)
  }

  async #lead(record: AuthorityRecord | undefined, candidate: CaSet | undefined): Promise<void> {
    if (this.#isWriting) return
    const { clock, log, trustDomain, maxValidityMs, spreadMs = CLUSTER_ROOT_SPREAD_MS, spreadCapMs = SPREAD_CAP_MS } = this.#options
    const { everyoneTrusts = () => true } = this.#options
    const nowMs = clock.nowMs()
    const capMs = Math.max(spreadMs, spreadCapMs)
    const now = { nowMs, spreadMs, capMs, everyoneTrusts, lifetimeMs: maxValidityMs + RETIRE_MARGIN_MS }
    // Nothing to read, nothing plugged in, nobody issued before: the first start of this mesh.
    const isFirst = record === undefined && candidate === undefined && this.#refused.length === 0
    const files = isFirst ? textFiles(makeRoot(trustDomain, nowMs)) : this.#own
    const next = nextRecord(record, isFirst && files !== undefined ? this.#readSet(files, 'self-signed').set : candidate, now)
    if (next === undefined || (isSameRecord(next, record) && this.#secrets.record() !== undefined)) return
    this.#isWriting = true
    const failure = await this.#secrets.write(files, next)
    this.#isWriting = false
    this.#isOwed = failure !== undefined
    this.#lookLater()
    if (failure !== undefined)
      return log.warn('the state of the certificate authority could not be written; tried again', { reason: failure })
    if (isFirst) log.info('the root of this mesh was made', { secret: `${this.#options.namespace}/${CA_SECRET}` })
    else if (next.pending !== undefined && next.pending.hash !== record?.pending?.hash)
      log.info('a new root is spread before certificates are issued from it', { issuedFromInMs: spreadMs })
  }

  view(): Authority {
    const inForce = this.#inForce
    if (inForce === undefined) throw new LateenError('CA_NOT_OPENED', 'there is nothing to issue from')
    const record = (): AuthorityRecord | undefined => this.#record
    const refused = (): readonly Problem[] => this.#refused
    const hasCrl = (): boolean => this.#secrets.files().cacerts?.has('ca-crl.pem') === true
    const pending = (): Authority['pending'] => this.#pending()
    return {
      issuing: inForce.issuing,
      bundle: inForce.bundle,
      get pending() {
        return pending()
      },
      get retiring() {
        return record()?.retiring ?? []
      },
      get refused() {
        return refused()
      },
      get hasCrl() {
        return hasCrl()
      },
      reload: () => this.#step(),
      stop: () => this.stop(),
    }
  }

  #pending(): Authority['pending'] {
    const { pending } = this.#record ?? {}
    const set = pending === undefined ? undefined : this.#known.get(pending.hash)
    const { spreadMs = CLUSTER_ROOT_SPREAD_MS } = this.#options
    return pending === undefined || set === undefined ? undefined : { set, fromMs: pending.sinceMs + spreadMs }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const each of this.#stopWatching) each()
    void this.#secrets.stop()
  }
}

const GONE: readonly Problem[] = [{ path: '', message: `the Secret ${CACERTS_SECRET} of the plugged-in CA is gone; put it back` }]

function textFiles(texts: Readonly<Record<string, string>>): CaFiles {
  return new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]))
}

function sameHash(a: { readonly hash: string }, b: { readonly hash: string }): boolean {
  return a.hash === b.hash
}
