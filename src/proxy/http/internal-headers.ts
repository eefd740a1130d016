// Envoy's control fields that strangers may not send. Used where the head is written (request-head.ts) and where it is matched
// (incoming-request.ts). Invariant: what is not sent on is not matched either.
import type { MessageHead } from '../http1/head.ts'

/** Envoy removes these from every request that is not internal (cleanInternalHeaders), and its router uses them up. */
const INTERNAL_ONLY: ReadonlySet<string> = new Set([
  'x-envoy-internal',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-hedge-on-per-try-timeout',
])
const EDGE_ONLY: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-original-host',
  'x-envoy-external-address',
])

export function isInternalOnly(head: MessageHead, index: number): boolean {
  return INTERNAL_ONLY.has(head.nameAt(index).toLowerCase())
}

export function isEdgeOnly(head: MessageHead, index: number): boolean {
  return endsAtEdge(head.nameAt(index).toLowerCase())
}

/** For whoever matches by name: what is taken away before anyone judges the request. */
export function endsBeforeMatching(lowerName: string, edge: boolean): boolean {
  return edge ? endsAtEdge(lowerName) || lowerName === 'x-envoy-original-path' : INTERNAL_ONLY.has(lowerName)
}

function endsAtEdge(lowerName: string): boolean {
  return INTERNAL_ONLY.has(lowerName) || EDGE_ONLY.has(lowerName)
}
