// A value that can be watched. Setting an equal value is silence; a slow reader sees only the newest.

export interface ReadonlyWatchable<T> {
  readonly value: T
  /** Calls `listener` on every change, not for the present value. Returns the way to stop. */
  watch(listener: (value: T) => void): () => void
}

export class Watchable<T> implements ReadonlyWatchable<T> {
  #value: T
  readonly #listeners = new Set<(value: T) => void>()
  readonly #equal: (a: T, b: T) => boolean

  constructor(value: T, equal: (a: T, b: T) => boolean = Object.is) {
    this.#value = value
    this.#equal = equal
  }

  get value(): T {
    return this.#value
  }

  set(value: T): void {
    if (this.#equal(this.#value, value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }

  watch(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}
