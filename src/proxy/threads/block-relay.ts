// Access log lines of all threads to stdout and stderr. Files are appended to by each thread, which the kernel does whole; a pipe takes
// a large block in pieces, and two writers would mix their lines. So the threads hand their blocks to the main thread, which writes one
// after the other. Invariant: a block is written whole before the next one of its stream, and its thread hears how it went.
import { write } from 'node:fs'
import type { Clock } from '../../base/clock.ts'

const FULL_PIPE_RETRY_MS = 10

export type Written = (failure: string | undefined, written: number) => void

interface Waiting {
  readonly block: Uint8Array
  readonly done: Written
}

export class BlockRelay {
  readonly #clock: Clock
  readonly #queues = new Map<number, Waiting[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(fd: number, block: Uint8Array, done: Written): void {
    const queue = this.#queues.get(fd)
    if (queue !== undefined) {
      queue.push({ block, done })
      return
    }
    this.#queues.set(fd, [])
    this.#write(fd, { block, done }, 0)
  }

  #write(fd: number, waiting: Waiting, from: number): void {
    const { block, done } = waiting
    write(fd, block, from, block.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') return void this.#clock.after(FULL_PIPE_RETRY_MS, () => this.#write(fd, waiting, from))
      if (error === null && from + written < block.length) return this.#write(fd, waiting, from + written)
      done(error?.message, error === null ? block.length : from)
      const next = this.#queues.get(fd)?.shift()
      if (next === undefined) this.#queues.delete(fd)
      else this.#write(fd, next, 0)
    })
  }
}
