// One process that should run: started, watched, started again with back-off when it ends by itself, stopped politely and then firmly.
// Used for the control plane, every sidecar and every application.
// Invariant: it leads a process group of its own, the guardian knows the group, and nothing of the group outlives `stop`.
import { spawn } from 'node:child_process'
import { type BackoffOptions, backoffMs } from '../base/backoff.ts'
import { type Clock, delay } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { Watchable } from '../base/watchable.ts'
import { type Guardian, killProcessGroup } from './guardian.ts'
import type { Output } from './output.ts'

export interface ProcessSpec {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface ProcessOptions {
  readonly label: string
  /** Asked before every start: a sidecar needs a fresh join token each time. */
  readonly spec: () => ProcessSpec | Promise<ProcessSpec>
  readonly clock: Clock
  readonly random: Random
  readonly guardian: Guardian
  readonly output: Output
}

export type ProcessState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly pid: number; readonly starts: number }
  | { readonly kind: 'waiting'; readonly because: string }
  | { readonly kind: 'stopped' }

const RESTART: BackoffOptions = { baseMs: 500, maxMs: 15_000 }
/** A process that ran this long was well: its next failure starts with a short wait again. */
const WELL_AFTER_MS = 10_000

export class ManagedProcess {
  readonly state = new Watchable<ProcessState>({ kind: 'starting' })
  readonly #options: ProcessOptions
  readonly #stopping = new AbortController()
  readonly #finished: Promise<void>
  #group: number | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(options: ProcessOptions) {
    this.#options = options
    this.#finished = this.#keepRunning()
  }

  /** SIGTERM, `graceMs` to leave, then SIGKILL to the group. Resolves when it is gone for good. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    const group = this.#group
    if (group !== undefined) {
      killProcessGroup(group, 'SIGTERM')
      const grace = new AbortController()
      await Promise.race([this.#exited, delay(this.#options.clock, graceMs, grace.signal)])
      grace.abort()
      if (this.#group !== undefined) killProcessGroup(group)
    }
    await this.#finished
    this.state.set({ kind: 'stopped' })
  }

  async #keepRunning(): Promise<void> {
    const { clock, random, output, label } = this.#options
    let failures = 0
    for (let starts = 1; !this.#stopping.signal.aborted; starts++) {
      const begunMs = clock.monotonicMs()
      const ended = await this.#runOnce(starts)
      if (this.#stopping.signal.aborted) return
      failures = clock.monotonicMs() - begunMs > WELL_AFTER_MS ? 0 : failures
      const waitMs = backoffMs(RESTART, failures++, random)
      output.say(`${label} ${ended}; it starts again in ${(waitMs / 1000).toFixed(1)} s`)
      this.state.set({ kind: 'waiting', because: ended })
      await delay(clock, waitMs, this.#stopping.signal)
    }
  }

  /** Resolves when the process is gone, with how it ended in words. */
  async #runOnce(starts: number): Promise<string> {
    const { guardian, output, label } = this.#options
    let spec: ProcessSpec
    try {
      spec = await this.#options.spec()
    } catch (error) {
      return `cannot start: ${errorMessage(error)}`
    }
    if (this.#stopping.signal.aborted) return 'was stopped'
    const [program = '', ...args] = spec.command
    const child = spawn(program, args, { cwd: spec.cwd, env: { ...spec.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`cannot start (${spec.command.join(' ')} in ${spec.cwd}): ${error.message}`))
      child.once('exit', (code, signal) => resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`))
    })
    this.#exited = ended.then(() => undefined)
    const group = child.pid
    if (group === undefined) return ended
    guardian.watch(group)
    this.#group = group
    output.follow(label, child.stdout)
    output.follow(label, child.stderr)
    this.state.set({ kind: 'running', pid: group, starts })
    const how = await ended
    // What it may have started itself goes with it.
    killProcessGroup(group)
    this.#group = undefined
    guardian.release(group)
    return how
  }
}
