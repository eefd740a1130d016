// Keeps this workload's certificate fresh: makes a key, has it certified, renews at half of its life, and publishes key and chain as
// the secret 'default' and the roots as 'ROOTCA'. Made by bin/proxy.ts.
// Invariants: a key never leaves this process but for its own 0600 file; a failed renewal leaves the old certificate in force and is
// tried again; established connections are not touched by a renewal, only later handshakes see the new pair.
import { generateKeyPairSync } from 'node:crypto'
import { type BackoffOptions, backoffMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { Redacted } from '../../base/redacted.ts'
import { fail, formatProblems, type Result, succeed } from '../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { buildCsr } from '../../identity/csr.ts'
import { decodePem } from '../../identity/pem.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { CaClient, CallerProof } from './ca-client.ts'
import type { LocalSecretStore } from './local-secret-store.ts'
import { checkIdentity, type IssuedIdentity, loadIdentity, saveIdentity } from './saved-identity.ts'

export interface CertificateManagerOptions {
  readonly id: SpiffeId
  readonly ca: CaClient
  readonly joinToken: Redacted<string> | undefined
  /** A token that somebody keeps fresh (the kubelet), asked for at each request; it is preferred to a certificate: it says who this is
   *  today, not who it was at the last renewal. */
  readonly readToken?: (() => Promise<Result<Redacted<string>>>) | undefined
  /** The mesh's roots, watched; a changed file takes effect without a restart. */
  readonly roots: ReadonlyWatchable<string | undefined>
  readonly store: LocalSecretStore
  /** Where the current certificate survives a restart; undefined: nowhere. */
  readonly stateFolder: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface CertificateStatus {
  /** Undefined until the first certificate. */
  readonly notAfterMs: number | undefined
  readonly serial: string
  readonly renewals: number
  readonly failures: number
  readonly lastError: string
}

/** Renewed when half of the life is left, give or take a hundredth (Istio: SECRET_GRACE_PERIOD_RATIO and its jitter). */
const GRACE_RATIO = 0.5
const GRACE_JITTER = 0.01
/** How long a clock that was set forward stays unnoticed. */
const LOOK_AT_CLOCK_MS = 60_000
/** Short at first: at the start of a mesh the CA comes up together with its callers. */
const BACKOFF: BackoffOptions = { baseMs: 200, maxMs: 60_000 }
/** A workload without any certificate does not serve: it waits no longer than this for a CA that is back. */
const FIRST_BACKOFF: BackoffOptions = { ...BACKOFF, maxMs: 5000 }

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

export class CertificateManager {
  readonly #options: CertificateManagerOptions
  readonly #status = new Watchable<CertificateStatus>({ notAfterMs: undefined, serial: '', renewals: 0, failures: 0, lastError: '' })
  #current: IssuedIdentity | undefined
  #issuedRootPem = ''
  #timer: Timer | undefined
  #attempt = 0
  #stopped = false

  constructor(options: CertificateManagerOptions) {
    this.#options = options
  }

  get status(): ReadonlyWatchable<CertificateStatus> {
    return this.#status
  }

  /** Resolves after the saved certificate was loaded or the first request was made, whatever its outcome: the rest happens later. */
  async start(): Promise<void> {
    const { stateFolder, id, clock, roots, log } = this.#options
    roots.watch(() => this.#onRoots())
    this.#publishRoots()
    const saved = stateFolder === undefined ? undefined : await loadIdentity(stateFolder, id, clock.nowMs())
    if (saved === undefined) return this.#request()
    log.info('using the saved certificate', { expires: new Date(saved.notAfterMs).toISOString() })
    this.#install(saved)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #request(): Promise<void> {
    const { log } = this.#options
    const result = await this.#issue()
    if (this.#stopped) return
    if (!result.ok) return this.#retry(formatProblems(result.problems))
    this.#attempt = 0
    this.#install(result.value)
    this.#status.set({ ...this.#status.value, renewals: this.#status.value.renewals + 1, lastError: '' })
    log.info('certificate issued', { expires: new Date(result.value.notAfterMs).toISOString(), serial: result.value.serial })
    await this.#save(result.value)
  }

  async #issue(): Promise<Result<IssuedIdentity>> {
    const { id, ca, roots, clock } = this.#options
    const proven = await this.#proof()
    if (!proven.ok) return proven
    const proof = proven.value
    if (roots.value === undefined) return fail('', 'the roots to verify the CA by are not there; check --ca-root')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const chain = await ca.sign(buildCsr(id, privateKey), proof, roots.value)
    if (!chain.ok) return chain
    const split = splitChain(chain.value)
    const keyPem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const identity = checkIdentity({ chainPem: split.chainPem, keyPem }, id, clock.nowMs())
    if (!identity.ok) return fail('', `the CA's answer is refused: ${formatProblems(identity.problems)}`)
    this.#issuedRootPem = split.rootPem
    return succeed(identity.value)
  }

  async #proof(): Promise<Result<CallerProof>> {
    const { joinToken, readToken, clock } = this.#options
    const token = await readToken?.()
    if (token?.ok === true) return succeed({ kind: 'token', token: token.value })
    if (this.#current !== undefined && clock.nowMs() < this.#current.notAfterMs)
      return succeed({ kind: 'certificate', pair: this.#current.pair })
    if (joinToken !== undefined) return succeed({ kind: 'token', token: joinToken })
    return token ?? fail('', 'no valid certificate and no join token; give a new one with --join-token-file (each token works once)')
  }

  #install(identity: IssuedIdentity): void {
    this.#current = identity
    this.#publishRoots()
    this.#options.store.setKeyPair('default', identity.pair)
    this.#status.set({ ...this.#status.value, notAfterMs: identity.notAfterMs, serial: identity.serial })
    const { clock, random } = this.#options
    const ratio = GRACE_RATIO + (random() * 2 - 1) * GRACE_JITTER
    const renewAtMs = identity.notAfterMs - ratio * (identity.notAfterMs - identity.notBeforeMs)
    this.#renewAt(renewAtMs, clock.monotonicMs() + renewAtMs - clock.nowMs())
  }

  /** The file's roots and those that the CA handed out: during a rotation they differ, and all must be trusted. */
  #publishRoots(): void {
    const blocks = `${this.#options.roots.value ?? ''}\n${this.#issuedRootPem}`.match(CERTIFICATE_BLOCK) ?? []
    if (blocks.length > 0) this.#options.store.setRoots('ROOTCA', [...new Set(blocks)].map((block) => `${block}\n`).join(''))
  }

  /** Who was waiting for them asks at once. */
  #onRoots(): void {
    this.#publishRoots()
    if (this.#current === undefined && this.#attempt > 0) this.#schedule(0)
  }

  #retry(problem: string): void {
    const waitMs = backoffMs(this.#current === undefined ? FIRST_BACKOFF : BACKOFF, this.#attempt++, this.#options.random)
    this.#status.set({ ...this.#status.value, failures: this.#status.value.failures + 1, lastError: problem })
    const valid = this.#current === undefined ? 'none' : new Date(this.#current.notAfterMs).toISOString()
    this.#options.log.warn('no new certificate', { problem, validUntil: valid, retryInMs: Math.round(waitMs) })
    this.#schedule(waitMs)
  }

  /** By whichever clock says so first: the wall clock may be set, forward (it would have expired unnoticed: timers are monotonic) or
   *  back (its peers' clocks were not). */
  #renewAt(wallMs: number, monotonicMs: number): void {
    const { clock } = this.#options
    const leftMs = Math.min(wallMs - clock.nowMs(), monotonicMs - clock.monotonicMs())
    if (leftMs <= 0) return this.#schedule(0)
    const look = (): void => this.#renewAt(wallMs, monotonicMs)
    this.#timer?.cancel()
    if (!this.#stopped) this.#timer = clock.after(Math.min(leftMs, LOOK_AT_CLOCK_MS), look, { background: true })
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel()
    if (!this.#stopped) this.#timer = this.#options.clock.after(delayMs, () => void this.#request(), { background: true })
  }

  async #save(identity: IssuedIdentity): Promise<void> {
    const { stateFolder, log } = this.#options
    if (stateFolder === undefined) return
    try {
      await saveIdentity(stateFolder, identity.pair)
    } catch (error) {
      log.warn('cannot save the certificate; a restart will need a new join token', { folder: stateFolder, problem: errorMessage(error) })
    }
  }
}

/** The last element holds the roots, all of them during a rotation (Istio's CA answers so too); what stands before is for peers. */
function splitChain(pems: readonly string[]): { readonly chainPem: string; readonly rootPem: string } {
  const sound = pems.filter((pem) => decodePem(pem, 'CERTIFICATE').ok).map((pem) => `${pem.trim()}\n`)
  return sound.length > 1
    ? { chainPem: sound.slice(0, -1).join(''), rootPem: sound.at(-1) ?? '' }
    : { chainPem: sound.join(''), rootPem: '' }
}
