// A cluster's load where the limits are the proxy's and the threads are several: each thread counts in its own cells of shared memory
// and compares the sum of all with the limit. Made in each data thread, once per cluster; the memory is the main thread's.
// Invariant: one writer per cell, so plain reads and writes do. Two threads may pass the last free place at once: the limit can be
// exceeded by one per thread, as with Envoy's worker threads.
import type { CircuitBreaker } from '../config/proxy-config.ts'
import type { ClusterLoad } from '../upstream/circuit-breaker.ts'

const CONNECTIONS = 0
const PENDING = 1
const REQUESTS = 2
const RETRIES = 3
/** A cache line per thread: threads that count do not slow each other down. */
const CELLS_PER_THREAD = 16

export function createLoadCells(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * CELLS_PER_THREAD * Int32Array.BYTES_PER_ELEMENT)
}

/** The thread has died; what it had in flight is gone. */
export function clearLoadCells(cells: SharedArrayBuffer, thread: number): void {
  new Int32Array(cells).fill(0, thread * CELLS_PER_THREAD, (thread + 1) * CELLS_PER_THREAD)
}

export class SharedClusterLoad implements ClusterLoad {
  limits: CircuitBreaker
  readonly #all: Int32Array
  readonly #own: Int32Array

  constructor(cells: SharedArrayBuffer, thread: number, limits: CircuitBreaker) {
    this.limits = limits
    this.#all = new Int32Array(cells)
    this.#own = this.#all.subarray(thread * CELLS_PER_THREAD, (thread + 1) * CELLS_PER_THREAD)
  }

  get connections(): number {
    return this.#own[CONNECTIONS] ?? 0
  }

  set connections(value: number) {
    this.#own[CONNECTIONS] = value
  }

  get pendingRequests(): number {
    return this.#own[PENDING] ?? 0
  }

  set pendingRequests(value: number) {
    this.#own[PENDING] = value
  }

  get requests(): number {
    return this.#own[REQUESTS] ?? 0
  }

  set requests(value: number) {
    this.#own[REQUESTS] = value
  }

  get retries(): number {
    return this.#own[RETRIES] ?? 0
  }

  set retries(value: number) {
    this.#own[RETRIES] = value
  }

  get canConnect(): boolean {
    return this.#sum(CONNECTIONS) < this.limits.maxConnections
  }

  get canQueue(): boolean {
    return this.#sum(PENDING) < this.limits.maxPendingRequests
  }

  get canRequest(): boolean {
    return this.#sum(REQUESTS) < this.limits.maxRequests
  }

  get activeRetries(): number {
    return this.#sum(RETRIES)
  }

  #sum(cell: number): number {
    let sum = 0
    for (let at = cell; at < this.#all.length; at += CELLS_PER_THREAD) sum += this.#all[at] ?? 0
    return sum
  }
}
