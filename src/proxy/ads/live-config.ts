// From what is held to what runs: assembles static and received resources and hands the result to the data plane, newest only.
// Made by bin/proxy.ts; `refresh` is called whenever something changed.
// Invariants: one apply at a time; what arrives meanwhile is applied next, as one; what is missing is waited for, but not for ever.
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { formatProblems, type Problem } from '../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { Assembler, Resources, Waiting } from '../config/assemble.ts'
import type { ProxyConfig } from '../config/proxy-config.ts'
import type { DataPlane } from '../data-plane.ts'

export interface LiveConfigOptions {
  readonly assembler: Assembler
  readonly resources: () => Resources
  /** The control plane has answered everything that was asked; always true without one. */
  readonly isComplete: () => boolean
  readonly dataPlane: DataPlane
  readonly clock: Clock
  readonly log: Logger
}

export interface LiveStatus {
  /** A complete configuration runs: the proxy may be called ready. Never falls back: the last good one stays. */
  readonly ready: boolean
  readonly applied: number
  readonly waiting: readonly Waiting[]
  readonly failures: readonly string[]
}

/** Envoy: initial_fetch_timeout. */
const PATIENCE_MS = 15_000
/** A listener that could not open is tried again: its port may be in the hands of a predecessor that still drains. */
const RETRY_LISTEN_MS = 1000
const MAX_WARNED = 1000

export class LiveConfig {
  readonly #options: LiveConfigOptions
  readonly #status = new Watchable<LiveStatus>({ ready: false, applied: 0, waiting: [], failures: [] })
  #applying = false
  #again = false
  readonly #warned = new Set<string>()
  #patience = true
  #patienceTimer: Timer | undefined
  #retryTimer: Timer | undefined
  #stopped = false

  constructor(options: LiveConfigOptions) {
    this.#options = options
  }

  get status(): ReadonlyWatchable<LiveStatus> {
    return this.#status
  }

  refresh(): void {
    this.#again = true
    if (!this.#applying) void this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.#patienceTimer?.cancel()
    this.#retryTimer?.cancel()
  }

  async #run(): Promise<void> {
    this.#applying = true
    while (this.#again && !this.#stopped) {
      this.#again = false
      try {
        await this.#applyOnce()
      } catch (error) {
        this.#options.log.error('could not apply a configuration, the last good one stays', { problem: errorMessage(error) })
      }
    }
    this.#applying = false
  }

  async #applyOnce(): Promise<void> {
    const { assembler, resources, isComplete, dataPlane, log } = this.#options
    const before: ProxyConfig = dataPlane.config
    // Asked for what is assembled now: by the time it runs, more may have come that does not run yet.
    const hasAll = isComplete()
    const assembled = assembler.assemble(resources(), before, this.#patience)
    for (const { type, name, problems } of assembled.rejected)
      log.error('a resource cannot be used together with the others', { type, name, problem: formatProblems(problems) })
    for (const warning of assembled.warnings) this.#warnOnce(warning)
    this.#watchPatience(assembled.waiting)
    const problems = await dataPlane.apply(assembled.config)
    const failures = problems.map(({ listener, message }) => `${listener}: ${message}`)
    for (const failure of failures) log.error('a listener is not open', { problem: failure })
    this.#retryTimer?.cancel()
    if (failures.length > 0) this.#retryTimer = this.#options.clock.after(RETRY_LISTEN_MS, () => this.refresh(), { background: true })
    const { value: status } = this.#status
    const complete = hasAll && (assembled.waiting.length === 0 || !this.#patience) && failures.length === 0
    this.#status.set({ ready: status.ready || complete, applied: status.applied + 1, waiting: assembled.waiting, failures })
    const { listeners, clusters } = assembled.config
    log.debug('configuration applied', { listeners: listeners.size, clusters: clusters.size, waiting: assembled.waiting.length })
  }

  /** Every update reads the same resources: what was said once is known. */
  #warnOnce({ path, message }: Problem): void {
    const text = `${path}: ${message}`
    if (this.#warned.has(text)) return
    if (this.#warned.size >= MAX_WARNED) this.#warned.clear()
    this.#warned.add(text)
    this.#options.log.warn('not in force', { field: path, reason: message })
  }

  /** Something is missing: give it time once, then go on without it. When all is there, the next gap gets its own time. */
  #watchPatience(waiting: readonly Waiting[]): void {
    if (waiting.length === 0) {
      this.#patience = true
      this.#patienceTimer?.cancel()
      this.#patienceTimer = undefined
    } else if (this.#patienceTimer === undefined) {
      this.#patienceTimer = this.#options.clock.after(PATIENCE_MS, () => this.#losePatience(), { background: true })
    }
  }

  #losePatience(): void {
    const missing = this.#status.value.waiting.map((each) => `${each.type} ${each.name} for ${each.for} ${each.missing}`)
    this.#options.log.warn('going on without what did not come', { afterMs: PATIENCE_MS, missing })
    this.#patience = false
    this.refresh()
  }
}
