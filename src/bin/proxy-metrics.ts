// lateen_proxy_* of the control side: connection to the control plane, configuration, certificate. Called once by proxy-process.ts.
import type { Clock } from '../base/clock.ts'
import type { AdsStatus } from '../proxy/ads/ads-client.ts'
import type { LiveConfig } from '../proxy/ads/live-config.ts'
import type { CertificateManager } from '../proxy/certs/certificate-manager.ts'
import type { MetricRegistry } from '../proxy/telemetry/metrics.ts'

export interface ControlSide {
  readonly ads: { readonly status: { readonly value: AdsStatus } } | undefined
  readonly certificates: CertificateManager | undefined
  readonly live: LiveConfig
  readonly clock: Clock
}

export function registerControl(registry: MetricRegistry, { ads, certificates, live, clock }: ControlSide): void {
  const one = (kind: 'gauge' | 'counter', name: string, help: string, value: () => number): void =>
    registry.observe(kind, `lateen_proxy_${name}`, help, () => [{ value: value() }])
  one('gauge', 'ready', '1 when a complete configuration runs.', () => Number(live.status.value.ready))
  one('counter', 'config_applied_total', 'Configurations applied.', () => live.status.value.applied)
  one('gauge', 'config_waiting', 'Resources that others wait for.', () => live.status.value.waiting.length)
  if (ads !== undefined) {
    one('gauge', 'control_plane_connected', '1 while the stream to the control plane stands.', () => Number(ads.status.value.connected))
    one('counter', 'control_plane_disconnects_total', 'Streams to the control plane that ended.', () => ads.status.value.disconnects)
    one('counter', 'config_rejected_total', 'Updates refused (NACK).', () => ads.status.value.rejectedUpdates)
  }
  if (certificates !== undefined) {
    const { status } = certificates
    one('gauge', 'certificate_expiry_seconds', 'Seconds until the certificate ends; negative afterwards, 0 without one.', () =>
      status.value.notAfterMs === undefined ? 0 : Math.round((status.value.notAfterMs - clock.nowMs()) / 1000),
    )
    one('counter', 'certificate_renewals_total', 'Certificates issued to this proxy.', () => status.value.renewals)
    one('counter', 'certificate_failures_total', 'Requests for a certificate that failed.', () => status.value.failures)
  }
}
