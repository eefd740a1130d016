// What differs between IPv4 and IPv6 in the rules: addresses, and which of the user's ranges count.
import type { CaptureOptions, CaptureRange, Family } from '../capture-options.ts'

/** Traffic to it is the application's own business: containers that talk over localhost. */
export function loopbackOf(options: CaptureOptions, family: Family): string {
  return family === 4 ? options.loopback4 : '::1/128'
}

/** The proxy binds it when it passes inbound traffic on to the application, so that this hop is told from all others. */
export function passthroughSource(family: Family): string {
  return family === 4 ? '127.0.0.6/32' : '::6/128'
}

export function rangesOf(ranges: readonly CaptureRange[], family: Family): readonly string[] {
  return ranges.filter((range) => range.family === family).map(({ text }) => text)
}
