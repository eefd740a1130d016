// Work that waits in a queue and is done by one loop at a time: who adds wakes it, who stops waits for it. Used by events.ts and
// status-writer.ts. Invariant: at most one drain runs; a wake during a drain is seen by it, because it looks at the queue before it ends.
export class OneWorker {
  /** Resolves when nothing is under way. */
  working: Promise<void> = Promise.resolve()
  readonly #drain: () => Promise<void>
  #busy = false

  /** @param drain works until its queue is empty. */
  constructor(drain: () => Promise<void>) {
    this.#drain = drain
  }

  wake(): void {
    if (this.#busy) return
    this.#busy = true
    this.working = this.#drain().finally(() => {
      this.#busy = false
    })
  }
}
