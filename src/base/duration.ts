// Protobuf durations as Istio's and Envoy's JSON write them ("1.5s"), and Go's longer form that Kubernetes users write ("1h30m").
import { fail, type Result, succeed } from './result.ts'

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000_001 }

/** Text to milliseconds. Accepts Go's form with one or more units; refuses a bare number. */
export function parseDurationMs(text: string): Result<number> {
  const match = /^(-?)((?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|us|µs|ns|s))+$/.exec(text)
  if (match === null) return fail('', `'${text}' is not a duration; write for example '1.5s', '100ms' or '1h30m'`)
  let totalMs = 0
  for (const part of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)/g)) totalMs += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? 0)
  return succeed(match[1] === '-' ? -totalMs : totalMs)
}

/** Milliseconds to protobuf's JSON form: seconds with up to nine decimals. */
export function formatDuration(ms: number): string {
  return `${(ms / 1000).toFixed(9).replace(/\.?0+$/, '')}s`
}
