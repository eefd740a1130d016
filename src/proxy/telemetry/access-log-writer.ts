// Lines of access logs to files and standard streams, without ever making a request wait: lines gather in memory and go out in one
// asynchronous write at a time. Called by the recorder; opened per target; closed by the drain.
// A line is copied into a block at once: kept as strings, a second's lines would be ropes of forty pieces each, and the garbage
// collector would carry them (measured: twice the cost).
// Invariant: memory is bounded; a line that does not fit is dropped and counted, never half written. Lines keep their order.
import { closeSync, openSync, write, writeSync } from 'node:fs'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { AccessLog } from '../config/proxy-config.ts'

/** Waiting for one target, about a second of a busy proxy. */
export const MAX_BUFFERED_BYTES = 4 * 1024 * 1024
/** A full block is written at once; a part of one waits for the timer. */
const BLOCK_BYTES = 64 * 1024
const FLUSH_AFTER_MS = 100
const NEWLINE = 0x0a
const CLOSE_TIMEOUT_MS = 2000
/** UTF-8 needs at most three bytes per UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3

export type LogTarget = AccessLog['target']

/** Writes `block` from `from` on, as fs.write does. */
export type BlockWrite = (
  fd: number,
  block: Uint8Array,
  from: number,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void

const writeToFile: BlockWrite = (fd, block, from, done) => write(fd, block, from, block.length - from, null, done)

export interface WriterStatus {
  readonly lines: number
  readonly dropped: number
  readonly failedWrites: number
}

export class AccessLogWriter {
  readonly #target: LogTarget
  readonly #clock: Clock
  readonly #log: Logger
  readonly #writeBlock: BlockWrite
  #fd: number | undefined
  #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES)
  #used = 0
  /** Full blocks, oldest first. */
  #full: Buffer[] = []
  #fullBytes = 0
  #spare: Buffer | undefined
  #timer: Timer | undefined
  #writing = false
  #closed = false
  #lines = 0
  #dropped = 0
  #failedWrites = 0
  /** The target ends in the middle of a line. */
  #cutLine = false
  #idle: (() => void)[] = []

  constructor(target: LogTarget, clock: Clock, log: Logger, writeBlock: BlockWrite = writeToFile) {
    this.#target = target
    this.#clock = clock
    this.#log = log
    this.#writeBlock = writeBlock
    this.#open()
  }

  get status(): WriterStatus {
    return { lines: this.#lines, dropped: this.#dropped, failedWrites: this.#failedWrites }
  }

  /** The hot path: a comparison and a copy. */
  write(line: string): void {
    const atMost = line.length * MAX_BYTES_PER_UNIT
    if (this.#used + atMost > BLOCK_BYTES && !this.#makeRoom(line, atMost)) return
    if (this.#closed) {
      this.#dropped++
      return
    }
    this.#lines++
    if (atMost > BLOCK_BYTES) return
    this.#used += this.#block.write(line, this.#used, 'utf8')
    if (this.#timer === undefined) this.#armTimer()
  }

  #armTimer(): void {
    this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => this.#startWrite(), { background: true })
  }

  /** Resolves when everything written so far is with the kernel. */
  flush(): Promise<void> {
    if (this.#used === 0 && this.#full.length === 0 && !this.#writing) return Promise.resolve()
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

  /** Does not wait for ever: whoever reads the log may be asleep, and a stop is a stop. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = this.#clock.after(CLOSE_TIMEOUT_MS, () => late.resolve())
    await Promise.race([this.flush(), late.promise])
    timer.cancel()
    this.#closed = true
    this.#timer?.cancel()
    if (this.#target.kind === 'file' && this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** For the end of the process, when no loop turn is left. */
  flushNow(): void {
    this.#seal()
    const blocks = this.#full
    this.#full = []
    this.#fullBytes = 0
    try {
      if (this.#fd !== undefined) for (const block of blocks) writeSync(this.#fd, block)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** False: dropped. A line longer than a block gets one of its own. */
  #makeRoom(line: string, atMost: number): boolean {
    if (this.#fullBytes + this.#used + atMost > MAX_BUFFERED_BYTES || this.#closed) {
      this.#dropped++
      return false
    }
    this.#seal()
    if (atMost > BLOCK_BYTES) {
      const own = Buffer.from(line, 'utf8')
      this.#full.push(own)
      this.#fullBytes += own.length
    }
    this.#startWrite()
    return true
  }

  #seal(): void {
    if (this.#used === 0) return
    this.#full.push(this.#block.subarray(0, this.#used))
    this.#fullBytes += this.#used
    this.#block = this.#spare ?? Buffer.allocUnsafe(BLOCK_BYTES)
    this.#spare = undefined
    this.#used = 0
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
    if (this.#full.length === 0) this.#seal()
    const block = this.#full.shift()
    if (block === undefined) return this.#settle()
    if (this.#fd === undefined) {
      this.#failed(new Error('the access log is not open'))
      this.#lose(block, 0)
      return this.#written(block)
    }
    this.#writing = true
    if (this.#cutLine) this.#endCutLine(this.#fd, block)
    else this.#writeAll(this.#fd, block, 0)
  }

  #written(block: Buffer): void {
    this.#fullBytes -= block.length
    // One block goes round and round; more are made only when the target is slow.
    if (block.buffer.byteLength === BLOCK_BYTES) this.#spare = Buffer.from(block.buffer)
    if (this.#full.length > 0 || (this.#used > 0 && this.#idle.length > 0)) this.#startWrite()
    else if (this.#used === 0) this.#settle()
    else this.#armTimer()
  }

  #endCutLine(fd: number, block: Buffer): void {
    this.#writeBlock(fd, Buffer.of(NEWLINE), 0, (error) => {
      this.#cutLine = error !== null
      this.#writeAll(fd, block, 0)
    })
  }

  #writeAll(fd: number, chunk: Buffer, from: number): void {
    this.#writeBlock(fd, chunk, from, (error, written) => {
      // A pipe that is full says so; a reader that is slow must not cost lines that the buffer can hold.
      if (error !== null && error.code === 'EAGAIN' && !this.#closed) {
        this.#clock.after(10, () => this.#writeAll(fd, chunk, from))
        return
      }
      if (error === null && from + written < chunk.length) return this.#writeAll(fd, chunk, from + written)
      this.#writing = false
      if (error !== null) {
        this.#failed(error)
        this.#lose(chunk, from)
      }
      this.#written(chunk)
    })
  }

  /** A part of a line that was written is ended, or the next line would continue it and be unreadable too. */
  #lose(block: Buffer, from: number): void {
    for (let at = from; at < block.length; at++) if (block[at] === NEWLINE) this.#dropped++
    if (from > 0 && block[from - 1] !== NEWLINE) this.#cutLine = true
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
