// A secret that no log, error or JSON can print by accident.
import { inspect } from 'node:util'

export class Redacted<T> {
  readonly #secret: T

  constructor(secret: T) {
    this.#secret = secret
  }

  reveal(): T {
    return this.#secret
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}
