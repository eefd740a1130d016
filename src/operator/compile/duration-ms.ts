// A user's duration as milliseconds. Validation reports what is none; here it counts as not set.
import { parseDurationMs } from '../../base/duration.ts'

/** What a protobuf duration may hold: some 10,000 years. */
const MAX_MS = 315_576_000_000 * 1000

export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const parsed = parseDurationMs(text)
  return parsed.ok && parsed.value >= 1 ? Math.min(Math.floor(parsed.value), MAX_MS) : undefined
}
