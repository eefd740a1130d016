// What an answer says at its end, and how a gRPC call ended: in a trailer, or in the head where the answer is nothing but that. Read by
// metrics and the access log; the lines are those that were passed on.
import type { Outcome } from './outcome.ts'

/** Undefined: no such trailer. @param name lower-case. */
export function trailerOf({ responseTrailers }: Outcome, name: string): string | undefined {
  for (const line of responseTrailers.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon === name.length && line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim()
  }
  return undefined
}

/** As it was written. */
export function grpcStatusOf(outcome: Outcome): string | undefined {
  return (outcome.responseTrailers === '' ? undefined : trailerOf(outcome, 'grpc-status')) ?? outcome.response?.get('grpc-status')
}
