// What the certificate authority counts, and its lines for Prometheus, under Istio's names where Istio has one.
import type { CaSet } from './ca-set.ts'

export type RefusalKind = 'unauthenticated' | 'rate-limited' | 'malformed-request' | 'identity-mismatch' | 'unavailable' | 'internal'

export interface CaMetrics {
  requests: number
  issued: number
  signErrors: number
  readonly refused: Record<RefusalKind, number>
}

export function createCaMetrics(): CaMetrics {
  const refused = { unauthenticated: 0, 'rate-limited': 0, 'malformed-request': 0, 'identity-mismatch': 0, unavailable: 0, internal: 0 }
  return { requests: 0, issued: 0, signErrors: 0, refused }
}

/** What the authority says of itself beside its counters. */
export interface CaState {
  readonly issuing: CaSet
  readonly trustedRoots: number
  readonly isRefused: boolean
  readonly nowMs: number
}

export function formatCaMetrics(metrics: CaMetrics, { issuing, trustedRoots, isRefused, nowMs }: CaState): string {
  // Istio's 'cert chain' is the certificate that signs; with a root that signs leaves itself it is the root.
  const chainNotAfterMs = Math.min(...[issuing.issuer, ...issuing.authorities].map(({ notAfterMs }) => notAfterMs))
  const secondsLeft = (notAfterMs: number): number => Math.floor((notAfterMs - nowMs) / 1000)
  const lines: readonly (readonly [string, 'counter' | 'gauge', number])[] = [
    ['citadel_server_csr_count', 'counter', metrics.requests],
    ['citadel_server_success_cert_issuance_count', 'counter', metrics.issued],
    ['citadel_server_authentication_failure_count', 'counter', metrics.refused.unauthenticated],
    ['citadel_server_csr_parsing_err_count', 'counter', metrics.refused['malformed-request']],
    ['citadel_server_csr_sign_err_count', 'counter', metrics.signErrors],
    ['lateen_ca_identity_mismatch_count', 'counter', metrics.refused['identity-mismatch']],
    ['lateen_ca_rate_limited_count', 'counter', metrics.refused['rate-limited']],
    ['lateen_ca_unavailable_count', 'counter', metrics.refused.unavailable],
    ['lateen_ca_failure_count', 'counter', metrics.refused.internal],
    ['citadel_server_root_cert_expiry_timestamp', 'gauge', Math.floor(issuing.root.notAfterMs / 1000)],
    ['citadel_server_root_cert_expiry_seconds', 'gauge', secondsLeft(issuing.root.notAfterMs)],
    ['citadel_server_cert_chain_expiry_timestamp', 'gauge', Math.floor(chainNotAfterMs / 1000)],
    ['citadel_server_cert_chain_expiry_seconds', 'gauge', secondsLeft(chainNotAfterMs)],
    ['lateen_ca_trusted_roots', 'gauge', trustedRoots],
    ['lateen_ca_files_refused', 'gauge', isRefused ? 1 : 0],
  ]
  return lines.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join('')
}
