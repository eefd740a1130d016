// A failure written into an outcome: flag and details as Envoy prints them. Used by exchange.ts.
import { FAILURES, type FailureKind } from '../rescue.ts'
import type { Outcome } from '../telemetry/outcome.ts'

/** @param begun the client has seen the beginning of an answer, which is cut off now. */
export function markFailure(outcome: Outcome, kind: FailureKind, reason: string, begun = false): void {
  const failure = FAILURES[kind]
  addFlag(outcome, failure.flag)
  outcome.details = failure.details
  if (kind === 'connect-failure' && reason !== '') {
    outcome.details = `upstream_reset_before_response_started{remote_connection_failure|${reason.replaceAll(' ', '_')}}`
  }
  if (begun) outcome.details = outcome.details.replace('_before_response_started', '_after_response_started')
}

/** The newest first: 'UF,URX' says what failed, then that the retries are spent. */
export function addFlag(outcome: Outcome, flag: string): void {
  if (flag !== '') outcome.flags = outcome.flags === '' ? flag : `${flag},${outcome.flags}`
}
