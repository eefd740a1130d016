// Limits of connections and requests, and outlier detection; Sidecar has the pool too.
import type { FieldPath } from '../field-path.ts'
import type { ConnectionPoolSettings, OutlierDetection } from '../generated/destination-rule.gen.ts'
import type { Report } from '../report.ts'

export function checkConnectionPool({ tcp, http }: ConnectionPoolSettings, path: FieldPath, report: Report): void {
  if (tcp === undefined && http === undefined) report('LTN0136', path, { what: 'a connection pool', needed: 'tcp or http' }, 'key')
  atLeastZero(tcp, ['maxConnections'], [...path, 'tcp'], report)
  if (http === undefined) return
  const at = [...path, 'http']
  const counts = ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'] as const
  atLeastZero(http, counts, at, report)
  if (http.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol === true) {
    report('LTN0135', [...at, 'useClientProtocol'], { first: 'useClientProtocol', second: 'h2UpgradePolicy: UPGRADE' }, 'key')
  }
  const { http2KeepAlive } = http
  if (http2KeepAlive !== undefined && (http2KeepAlive.interval === undefined || http2KeepAlive.timeout === undefined)) {
    report('LTN0136', [...at, 'http2KeepAlive'], { what: 'http2KeepAlive', needed: 'both interval and timeout' }, 'key')
  }
}

export function checkOutlierDetection(outlier: OutlierDetection, path: FieldPath, report: Report): void {
  if (outlier.consecutiveErrors !== undefined) {
    report('LTN0143', [...path, 'consecutiveErrors'], { field: 'consecutiveErrors', instead: 'consecutive5xxErrors' }, 'key')
  }
  if (outlier.consecutiveLocalOriginFailures !== undefined && outlier.splitExternalLocalOriginErrors !== true) {
    report(
      'LTN0136',
      [...path, 'consecutiveLocalOriginFailures'],
      { what: 'consecutiveLocalOriginFailures', needed: 'splitExternalLocalOriginErrors: true' },
      'key',
    )
  }
  for (const field of ['maxEjectionPercent', 'minHealthPercent'] as const) {
    const value = outlier[field]
    if (value !== undefined && (value < 0 || value > 100)) report('LTN0117', [...path, field], { value, bound: '0 to 100' })
  }
}

function atLeastZero<Field extends string>(
  settings: { readonly [Name in Field]?: number } | undefined,
  fields: readonly Field[],
  path: FieldPath,
  report: Report,
): void {
  for (const field of fields) {
    const value = settings?.[field]
    if (value !== undefined && value < 0) report('LTN0117', [...path, field], { value, bound: 'at least 0' })
  }
}
