// Lines of access logs to files and standard streams, without ever making a request wait: lines gather in memory and go out in one
// asynchronous write at a time. Called by the recorder; opened per target; closed by the drain.
// Invariant: memory is bounded; a line that does not fit is dropped and counted, never half written. Lines keep their order.
import { closeSync, openSync, write, writeSync } from 'node:fs'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { AccessLog } from '../config/proxy-config.ts'

/** Characters waiting for one target, about a second of a busy proxy. */
export const MAX_BUFFERED_CHARACTERS = 4 * 1024 * 1024
/** Written as soon as this much waits; less waits for the timer. */
const EAGER_CHARACTERS = 64 * 1024
const FLUSH_AFTER_MS = 100

export type LogTarget = AccessLog['target']

export interface WriterStatus {
  readonly lines: number
  readonly dropped: number
  readonly failedWrites: number
}

export class AccessLogWriter {
  readonly #target: LogTarget
  readonly #clock: Clock
  readonly #log: Logger
  #fd: number | undefined
  #buffer = ''
  #timer: Timer | undefined
  #writing = false
  #closed = false
  #lines = 0
  #dropped = 0
  #failedWrites = 0
  #idle: (() => void)[] = []

  constructor(target: LogTarget, clock: Clock, log: Logger) {
    this.#target = target
    this.#clock = clock
    this.#log = log
    this.#open()
  }

  get status(): WriterStatus {
    return { lines: this.#lines, dropped: this.#dropped, failedWrites: this.#failedWrites }
  }

  /** The hot path: a comparison and a concatenation. */
  write(line: string): void {
    if (this.#closed || this.#buffer.length + line.length > MAX_BUFFERED_CHARACTERS) {
      this.#dropped++
      return
    }
    this.#lines++
    this.#buffer += line
    if (this.#buffer.length >= EAGER_CHARACTERS) this.#startWrite()
    else this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => this.#startWrite(), { background: true })
  }

  /** Resolves when everything written so far is with the kernel. */
  flush(): Promise<void> {
    if (this.#buffer === '' && !this.#writing) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle.push(resolve)
      this.#startWrite()
    })
  }

  /** After a rotation: the path may be a new file. What waits goes to the new one. */
  reopen(): void {
    if (this.#target.kind !== 'file') return
    const before = this.#fd
    this.#open()
    // A write under way keeps the descriptor until it is done.
    if (before !== undefined && before !== this.#fd)
      this.flush().then(
        () => closeSync(before),
        () => closeSync(before),
      )
  }

  async close(): Promise<void> {
    await this.flush()
    this.#closed = true
    this.#timer?.cancel()
    if (this.#target.kind === 'file' && this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** For the end of the process, when no loop turn is left. */
  flushNow(): void {
    const text = this.#buffer
    this.#buffer = ''
    if (this.#fd === undefined || text === '') return
    try {
      writeSync(this.#fd, text)
    } catch (error) {
      this.#failed(error)
    }
  }

  #open(): void {
    try {
      this.#fd = this.#target.kind === 'file' ? openSync(this.#target.path, 'a', 0o644) : this.#target.kind === 'stdout' ? 1 : 2
    } catch (error) {
      this.#failed(error)
    }
  }

  #startWrite(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#writing) return
    if (this.#buffer === '') return this.#settle()
    const chunk = Buffer.from(this.#buffer, 'utf8')
    this.#buffer = ''
    if (this.#fd === undefined) {
      this.#failed(new Error('the access log is not open'))
      return this.#settle()
    }
    this.#writing = true
    this.#writeAll(this.#fd, chunk, 0)
  }

  #writeAll(fd: number, chunk: Buffer, from: number): void {
    write(fd, chunk, from, chunk.length - from, null, (error, written) => {
      // A pipe that is full says so; a reader that is slow must not cost lines that the buffer can hold.
      if (error !== null && error.code === 'EAGAIN') {
        this.#clock.after(10, () => this.#writeAll(fd, chunk, from))
        return
      }
      if (error === null && from + written < chunk.length) return this.#writeAll(fd, chunk, from + written)
      this.#writing = false
      if (error !== null) this.#failed(error)
      if (this.#buffer.length > 0) this.#startWrite()
      else this.#settle()
    })
  }

  #settle(): void {
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #failed(error: unknown): void {
    this.#failedWrites++
    // Once, not per line: a full disk must not fill another one.
    if (this.#failedWrites === 1) {
      const where = this.#target.kind === 'file' ? this.#target.path : this.#target.kind
      this.#log.warn('access log cannot be written; lines are lost until it can', { target: where, reason: errorMessage(error) })
    }
  }
}
