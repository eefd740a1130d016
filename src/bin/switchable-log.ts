// A logger whose level can change while the process runs (admin port: POST /logging). Children follow.
import type { LogFields, Logger, LogLevel } from '../base/log.ts'

export class SwitchableLog implements Logger {
  readonly #make: (level: LogLevel) => Logger
  #level: LogLevel
  #current: Logger

  constructor(level: LogLevel, make: (level: LogLevel) => Logger) {
    this.#make = make
    this.#level = level
    this.#current = make(level)
  }

  get level(): LogLevel {
    return this.#level
  }

  set level(level: LogLevel) {
    this.#level = level
    this.#current = this.#make(level)
  }

  debug(message: string, fields?: LogFields): void {
    this.#current.debug(message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#current.info(message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#current.warn(message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#current.error(message, fields)
  }

  child(bound: LogFields): Logger {
    const joined = (fields?: LogFields): LogFields => ({ ...bound, ...fields })
    return {
      debug: (message, fields) => this.debug(message, joined(fields)),
      info: (message, fields) => this.info(message, joined(fields)),
      warn: (message, fields) => this.warn(message, joined(fields)),
      error: (message, fields) => this.error(message, joined(fields)),
      child: (fields) => this.child(joined(fields)),
    }
  }
}
