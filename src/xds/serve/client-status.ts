// What `lateen proxy-status` and the admin API say about one connected proxy. Plain JSON values.
import { resourceTypeNames } from '../../envoy/type-urls.ts'
import type { Subscription } from './subscription.ts'

/** SYNCED: runs what was sent. SENT: has not answered yet. REJECTED: refused it and runs the version before. NOT SENT: nothing to send yet. */
export type SyncState = 'SYNCED' | 'SENT' | 'REJECTED' | 'NOT SENT'

export interface TypeStatus {
  readonly state: SyncState
  readonly sentVersion: string
  readonly acceptedVersion: string
  /** Stays until every resource that was refused has been replaced and accepted. */
  readonly rejection?: { readonly message: string; readonly version: string; readonly resources: readonly string[] }
}

export interface ClientStatus {
  readonly node: string
  readonly workload: string
  readonly namespace: string
  readonly identity: string
  readonly from: string
  readonly protocol: 'delta' | 'state-of-the-world'
  readonly connectedSinceMs: number
  /** By short name (CDS, EDS, LDS, RDS, SDS), else by type URL. */
  readonly types: Readonly<Record<string, TypeStatus>>
}

export function typeStatuses(subscriptions: readonly Subscription[]): Readonly<Record<string, TypeStatus>> {
  return Object.fromEntries(
    subscriptions.map((subscription) => [resourceTypeNames[subscription.typeUrl] ?? subscription.typeUrl, statusOf(subscription)]),
  )
}

function statusOf({ awaiting, rejection, sentVersion, acceptedVersion }: Subscription): TypeStatus {
  const state: SyncState = rejection !== undefined ? 'REJECTED' : awaiting ? 'SENT' : sentVersion === '' ? 'NOT SENT' : 'SYNCED'
  return {
    state,
    sentVersion,
    acceptedVersion,
    ...(rejection === undefined
      ? {}
      : { rejection: { message: rejection.message, version: rejection.version, resources: [...rejection.resources].sort().slice(0, 20) } }),
  }
}
