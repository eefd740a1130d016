// What the certificate authority counts, and its lines for Prometheus, under Istio's names where Istio has one.

export type RefusalKind = 'unauthenticated' | 'malformed-request' | 'identity-mismatch'

export interface CaMetrics {
  requests: number
  issued: number
  readonly refused: Record<RefusalKind, number>
}

export function createCaMetrics(): CaMetrics {
  return { requests: 0, issued: 0, refused: { unauthenticated: 0, 'malformed-request': 0, 'identity-mismatch': 0 } }
}

export function formatCaMetrics(metrics: CaMetrics, rootNotAfterMs: number): string {
  const lines: readonly (readonly [string, 'counter' | 'gauge', number])[] = [
    ['citadel_server_csr_count', 'counter', metrics.requests],
    ['citadel_server_success_cert_issuance_count', 'counter', metrics.issued],
    ['citadel_server_authentication_failure_count', 'counter', metrics.refused.unauthenticated],
    ['citadel_server_csr_parsing_err_count', 'counter', metrics.refused['malformed-request']],
    ['lateen_ca_identity_mismatch_count', 'counter', metrics.refused['identity-mismatch']],
    ['citadel_server_root_cert_expiry_timestamp', 'gauge', Math.floor(rootNotAfterMs / 1000)],
  ]
  return lines.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join('')
}
