// Steers the load of a drill (load-program.ts): what is sent when is cut into phases by the drill, and every request is in the books of
// the phase in which it was sent. A drill waits for counts, not for time.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { waitFor } from '../harness/wait.ts'

export interface LanePlan {
  /** Also the first segment of its paths: `/sick/before`. */
  readonly name: string
  readonly protocol: 'http1' | 'http2'
  readonly host: string
  readonly port: number
  readonly ratePerSecond: number
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined
  /** At most so many requests are under way; further ones are sent later, none is left out. */
  readonly connections: number
  /** Of HTTP/1.1; false: one connection per request. */
  readonly keepsConnections?: boolean | undefined
}

export interface PhaseCounts {
  sent: number
  /** Answered or broken. */
  answered: number
  readonly statuses: Record<string, number>
  /** Sent, and the connection ended before a whole response: by reason. */
  readonly broken: Record<string, number>
}

export interface LaneCounts {
  readonly name: string
  /** Due, and not sent although the load waited for it at the end. */
  unsent?: number
  readonly phases: Record<string, PhaseCounts>
}

export type LoadOrder = { readonly kind: 'phase'; readonly name: string } | { readonly kind: 'stop' }
export type LoadMessage =
  | { readonly kind: 'counts'; readonly lanes: LaneCounts[] }
  | { readonly kind: 'phase'; readonly outstanding: Record<string, number> }
  | { readonly kind: 'done'; readonly lanes: LaneCounts[]; readonly elapsedMs: number }

const PROGRAM = path.join(import.meta.dirname, 'load-program.ts')
const PATIENCE_MS = 45_000

export interface Wanted {
  readonly lane: string
  readonly phase: string
  readonly least: number
  /** 'broken': no status; nothing: whatever. */
  readonly status?: number | 'broken'
}

export class Load {
  elapsedMs = 0
  readonly #child: ChildProcess
  #lanes: readonly LaneCounts[] = []
  #ended = false

  constructor(t: TestContext, lanes: readonly LanePlan[]) {
    this.#child = fork(PROGRAM, [JSON.stringify(lanes)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child.on('message', (message: LoadMessage) => {
      if (message.kind !== 'phase') this.#lanes = message.lanes
      if (message.kind === 'done') this.elapsedMs = message.elapsedMs
    })
    this.#child.on('exit', () => {
      this.#ended = true
    })
    t.after(async () => {
      if (this.#ended) return
      this.#child.kill('SIGKILL')
      await once(this.#child, 'exit')
    })
  }

  counts(lane: string, phase: string): PhaseCounts {
    const nothing = { sent: 0, answered: 0, statuses: {}, broken: {} }
    return this.#lanes.find(({ name }) => name === lane)?.phases[phase] ?? nothing
  }

  unsent(lane: string): number {
    return this.#lanes.find(({ name }) => name === lane)?.unsent ?? 0
  }

  /** Phases in the order in which they were. */
  phases(lane: string): (readonly [string, PhaseCounts])[] {
    return Object.entries(this.#lanes.find(({ name }) => name === lane)?.phases ?? {})
  }

  /** From now on requests belong to `name`. How many of before are under way, by lane. */
  async phase(name: string): Promise<Readonly<Record<string, number>>> {
    const outstanding = new Promise<Readonly<Record<string, number>>>((resolve) => {
      const listen = (message: LoadMessage): void => {
        if (message.kind !== 'phase') return
        this.#child.off('message', listen)
        resolve(message.outstanding)
      }
      this.#child.on('message', listen)
    })
    this.#order({ kind: 'phase', name })
    return await outstanding
  }

  async until({ lane, phase, least, status }: Wanted): Promise<void> {
    const reached = (): boolean => {
      const { answered, statuses, broken } = this.counts(lane, phase)
      if (status === undefined) return answered >= least
      return (status === 'broken' ? sum(broken) : (statuses[status] ?? 0)) >= least
    }
    const what = { toString: () => `${least} x ${status ?? 'any answer'} in ${lane}/${phase}: ${this.describe()}` }
    await this.#wait(reached, what)
  }

  /** Nobody of that phase waits any more. The phase must be over. */
  async untilAllAnswered(lane: string, phase: string): Promise<void> {
    const reached = (): boolean => {
      const { sent, answered } = this.counts(lane, phase)
      return sent === answered
    }
    await this.#wait(reached, { toString: () => `an answer for each of ${lane}/${phase}: ${this.describe()}` })
  }

  async #wait(reached: () => boolean, what: { toString(): string }): Promise<void> {
    try {
      await waitFor(reached, { what: 'the load', timeoutMs: PATIENCE_MS, while: () => !this.#ended })
    } catch (error) {
      throw new Error(`waited in vain for ${what}`, { cause: error })
    }
  }

  /** Sends no more and waits for the answers to what was sent. */
  async stop(): Promise<void> {
    this.#order({ kind: 'stop' })
    await waitFor(() => this.#ended, { what: `the end of the load: ${this.describe()}`, timeoutMs: 3 * PATIENCE_MS })
    if (this.elapsedMs === 0) throw new Error(`the load ended without a report: ${this.describe()}`)
  }

  #order(order: LoadOrder): void {
    this.#child.send(order)
  }

  /** @param prefix of the phases of interest. */
  describe(prefix = ''): string {
    const phase = ([name, { sent, statuses, broken }]: readonly [string, PhaseCounts]): string => {
      const cut = Object.keys(broken).length === 0 ? '' : ` broken ${JSON.stringify(broken)}`
      return `${name} ${sent} ${JSON.stringify(statuses)}${cut}`
    }
    const phases = (lane: LaneCounts) => Object.entries(lane.phases).filter(([name]) => name.startsWith(prefix))
    return this.#lanes.map((lane) => `${lane.name}: ${phases(lane).map(phase).join(', ')}`).join('; ')
  }
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
