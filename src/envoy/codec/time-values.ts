// google.protobuf.Duration and Timestamp in our shape: milliseconds, and ISO text with as many decimals as are needed.
import { fail, type Result, succeed } from '../../base/result.ts'

export function durationMs(seconds: number, nanos: number): number {
  return seconds * 1000 + nanos / 1e6
}

/** Seconds and nanoseconds of one sign, as protobuf demands. */
export function splitDuration(ms: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.trunc(ms / 1000)
  const nanos = Math.round((ms - seconds * 1000) * 1e6)
  return Math.abs(nanos) === 1e9 ? { seconds: seconds + Math.sign(nanos), nanos: 0 } : { seconds, nanos }
}

/** ProtoJSON knows seconds only: '1.5s'. Decimals come in threes. */
export function formatDurationJson(ms: number): string {
  const { seconds, nanos } = splitDuration(ms)
  const sign = seconds < 0 || nanos < 0 ? '-' : ''
  return `${sign}${Math.abs(seconds)}${decimals(Math.abs(nanos))}s`
}

export function parseDurationJson(text: string): Result<number> {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(text)
  if (match === null) return fail('', `${JSON.stringify(text)} is not a duration; write seconds such as "5s" or "0.25s"`)
  const ms = durationMs(Number(match[2]), Number((match[3] ?? '').padEnd(9, '0')))
  return succeed(match[1] === '-' ? -ms : ms)
}

export function timestampText(seconds: number, nanos: number): string {
  const date = new Date(seconds * 1000)
  // Outside the years 0001 to 9999, which protobuf allows, there is no such text; such a stamp is no time at all.
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, -5)}${decimals(nanos)}Z`
}

export function splitTimestamp(text: string): Result<{ readonly seconds: number; readonly nanos: number }> {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`)
  if (match === null || Number.isNaN(ms))
    return fail('', `${JSON.stringify(text)} is not a timestamp; write for example "2026-01-31T12:00:00Z"`)
  return succeed({ seconds: ms / 1000, nanos: Number((match[2] ?? '').padEnd(9, '0')) })
}

function decimals(nanos: number): string {
  if (nanos === 0) return ''
  const text = String(nanos).padStart(9, '0')
  if (nanos % 1e6 === 0) return `.${text.slice(0, 3)}`
  return nanos % 1e3 === 0 ? `.${text.slice(0, 6)}` : `.${text}`
}
