// %START_TIME(...)%: Envoy's default form (2018-04-03T23:46:09.123Z) and the common strftime specifiers, in UTC.
import { fail, type Result, succeed } from '../../base/result.ts'
import type { Outcome } from './outcome.ts'

type TimeOf = (outcome: Outcome) => number

export function compileTimeFormat(format: string | undefined, timeOf: TimeOf): Result<(outcome: Outcome) => string> {
  if (format === undefined || format === '') return succeed((outcome) => isoMillis(timeOf(outcome)))
  const parts: (string | ((date: Date) => string))[] = []
  for (const match of format.matchAll(/%(E?\*?\d?[a-zA-Z%])|[^%]+|%/g)) {
    const specifier = match[1]
    if (specifier === undefined) parts.push(match[0])
    else {
      const part = specifierOf(specifier)
      if (part === undefined) return fail('', `time specifier '%${specifier}' is not supported`)
      parts.push(part)
    }
  }
  return succeed((outcome) => {
    const date = new Date(timeOf(outcome))
    return parts.map((part) => (typeof part === 'string' ? part : part(date))).join('')
  })
}

// One line's time is nearly always in the second of the line before: only the milliseconds are made anew.
let lastSecond = -1
let lastText = ''

export function isoMillis(timeMs: number): string {
  const whole = Math.trunc(timeMs)
  const second = Math.floor(whole / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastText = new Date(second * 1000).toISOString().slice(0, 20)
  }
  const ms = whole - second * 1000
  return `${lastText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')
const iso = (date: Date): string => date.toISOString()

const SPECIFIERS: Readonly<Record<string, (date: Date) => string>> = {
  '%': () => '%',
  Y: (date) => String(date.getUTCFullYear()),
  y: (date) => pad(date.getUTCFullYear() % 100),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2, ' '),
  H: (date) => pad(date.getUTCHours()),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  T: (date) => iso(date).slice(11, 19),
  F: (date) => iso(date).slice(0, 10),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  a: (date) => date.toUTCString().slice(0, 3),
  b: (date) => date.toUTCString().slice(8, 11),
  z: () => '+0000',
  Z: () => 'UTC',
}

function specifierOf(text: string): ((date: Date) => string) | undefined {
  const digits = /^([1-9])f$/.exec(text)?.[1]
  if (text === 'f' || digits !== undefined) {
    // Envoy: %f is nine digits of the second's fraction, %3f the first three. The outcome knows milliseconds.
    return (date) => `${pad(date.getUTCMilliseconds(), 3)}000000`.slice(0, Number(digits ?? 9))
  }
  const fraction = /^E([1-9])S$/.exec(text)?.[1]
  if (fraction !== undefined) {
    return (date) => `${pad(date.getUTCSeconds())}.${`${pad(date.getUTCMilliseconds(), 3)}000000`.slice(0, Number(fraction))}`
  }
  return SPECIFIERS[text]
}
