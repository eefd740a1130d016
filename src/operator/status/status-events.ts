// What a person must see beside the status: a configuration that a proxy refuses, an object that is not accepted any more, trouble with
// certificates. Pure: changes in, Events as values out; the composition root hands them to src/kube.
// Invariant: an Event is said when something turns bad, not while it stays so, and not again after a restart.
import type { Finding } from '../../api/finding.ts'
import type { Condition } from './conditions.ts'

export interface EventSubject {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface StatusEvent {
  readonly regarding: EventSubject
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** Which turn of which condition somebody must see. */
const BAD: readonly { readonly type: string; readonly status: Condition['status']; readonly reason?: string; readonly event: string }[] = [
  { type: 'Accepted', status: 'False', event: 'NotAccepted' },
  { type: 'Programmed', status: 'False', reason: 'Rejected', event: 'RejectedByProxy' },
  { type: 'Conflicted', status: 'True', event: 'Conflict' },
]

export function eventsOf(regarding: EventSubject, before: readonly Condition[], after: readonly Condition[]): readonly StatusEvent[] {
  return BAD.flatMap(({ type, status, reason, event }) => {
    const is = (condition: Condition): boolean =>
      condition.type === type && condition.status === status && (reason === undefined || condition.reason === reason)
    const now = after.find(is)
    return now === undefined || before.some(is) ? [] : [{ regarding, type: 'Warning' as const, reason: event, message: now.message }]
  })
}

/** Of the control plane's own Findings (src/ca/ca-health.ts, and what a cluster does not let it do): those that were not there before. */
export function ownTroubles(regarding: EventSubject, before: readonly Finding[], now: readonly Finding[]): readonly StatusEvent[] {
  const known = new Set(before.map(({ code, message }) => `${code} ${message}`))
  return now.flatMap(({ code, severity, message, hint }) =>
    severity === 'info' || known.has(`${code} ${message}`)
      ? []
      : [
          {
            regarding,
            type: 'Warning' as const,
            reason: code.startsWith('LTN04') ? 'CertificateTrouble' : 'ClusterTrouble',
            message: `${code}: ${message}. ${hint}`,
          },
        ],
  )
}
