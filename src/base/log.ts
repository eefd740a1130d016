// One line per event: a constant sentence, then facts as fields. Text for people, JSON for collectors.
// Written here and not taken from a package because the proxy loads none (docs/decisions/one-small-logger.md).

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'text' | 'json'
  readonly write: (line: string) => void
  readonly nowMs: () => number
}

export function createLogger(options: LogOptions, bound: LogFields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level)
  const log = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < threshold) return
    const time = new Date(options.nowMs()).toISOString()
    const all = { ...bound, ...fields }
    options.write(options.format === 'json' ? formatJson(time, level, message, all) : formatText(time, level, message, all))
  }
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
    child: (fields) => createLogger(options, { ...bound, ...fields }),
  }
}

export const silentLogger: Logger = createLogger({ level: 'off', format: 'text', write: () => undefined, nowMs: () => 0 })

function formatJson(time: string, level: LogLevel, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time, level, message, ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)])) })}\n`
}

function formatText(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(([key, value]) => ` ${key}=${quote(plain(value))}`)
  return `${time} ${level.padEnd(5)} ${message}${facts.join('')}\n`
}

function plain(value: unknown): unknown {
  return value instanceof Error ? value.message : value
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}
