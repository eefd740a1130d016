// A failure written into an outcome: flag and details as Envoy prints them. Used by exchange.ts.
import { FAILURES, type FailureKind } from '../rescue.ts'
import type { Outcome } from '../telemetry/outcome.ts'

export function markFailure(outcome: Outcome, kind: FailureKind, reason: string): void {
  const failure = FAILURES[kind]
  addFlag(outcome, failure.flag)
  outcome.details = failure.details
  if (kind === 'connect-failure' && reason !== '') {
    outcome.details = `upstream_reset_before_response_started{remote_connection_failure|${reason.replaceAll(' ', '_')}}`
  }
}

/** The newest first: 'UF,URX' says what failed, then that the retries are spent. */
export function addFlag(outcome: Outcome, flag: string): void {
  if (flag !== '') outcome.flags = outcome.flags === '' ? flag : `${flag},${outcome.flags}`
}
