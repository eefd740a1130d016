// A Lease object as the election needs it, and back. Called by lease.ts. Pure.
// Protocol: coordination.k8s.io/v1 LeaseSpec; times are MicroTime (RFC 3339 with six digits).
import { isRecord } from '../api/record.ts'
import type { KubeDraft, KubeObject } from './object.ts'

export interface LeaseRecord {
  /** Empty: given back. */
  readonly holder: string
  readonly leaseDurationMs: number
  readonly acquiredAtMs: number
  readonly renewedAtMs: number
  readonly transitions: number
}

export function readLease({ spec }: KubeObject): LeaseRecord {
  const { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions } = isRecord(spec) ? spec : {}
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    leaseDurationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : 0,
    acquiredAtMs: timeOf(acquireTime),
    renewedAtMs: timeOf(renewTime),
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
  }
}

export function leaseDraft(
  place: { readonly namespace: string; readonly name: string; readonly resourceVersion: string | undefined },
  record: LeaseRecord,
): KubeDraft {
  const { namespace, name, resourceVersion } = place
  return {
    metadata: { namespace, name, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    spec: {
      holderIdentity: record.holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(record.leaseDurationMs / 1000)),
      acquireTime: microTime(record.acquiredAtMs),
      renewTime: microTime(record.renewedAtMs),
      leaseTransitions: record.transitions,
    },
  }
}

export function microTime(atMs: number): string {
  return new Date(atMs).toISOString().replace(/(\.\d{3})Z$/, '$1000Z')
}

function timeOf(value: unknown): number {
  const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(parsed) ? 0 : parsed
}
