// The `date` field for responses that have none (RFC 9110 6.6.1), made once per second.
import type { Clock } from '../../base/clock.ts'

export class DateLine {
  readonly #clock: Clock
  #second = -1
  #line = ''

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(): string {
    return this.at(this.#clock.nowMs())
  }

  at(nowMs: number): string {
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#line = `date: ${new Date(second * 1000).toUTCString()}\r\n`
    }
    return this.#line
  }
}
