// Whether the proxy takes traffic, and in one line what it waits for: the answer of the admin port and of the agent's health ports, which
// a kubelet shows to people as the reason why a pod does not start.
import type { AdsStatus } from '../proxy/ads/ads-client.ts'
import type { LiveStatus } from '../proxy/ads/live-config.ts'
import type { CertificateStatus } from '../proxy/certs/certificate-manager.ts'

export interface ReadinessFacts {
  readonly draining: boolean
  readonly live: LiveStatus
  /** Undefined: there is no CA to ask. */
  readonly certificate: CertificateStatus | undefined
  /** Undefined: the configuration is static, or the stream waits for the certificate. */
  readonly ads: AdsStatus | undefined
}

export interface Readiness {
  readonly ready: boolean
  readonly reason: string
}

export function readinessOf({ draining, live, certificate, ads }: ReadinessFacts): Readiness {
  if (draining) return notReady('DRAINING')
  if (certificate !== undefined && certificate.notAfterMs === undefined)
    return notReady(`no certificate yet${because(certificate.lastError)}`)
  if (live.ready) return { ready: true, reason: 'LIVE' }
  const [failure] = live.failures
  if (failure !== undefined) return notReady(`a listener is not open: ${failure}`)
  const [first] = live.waiting
  if (first !== undefined) return notReady(`${first.type} ${first.name} waits for ${first.for} ${first.missing}`)
  return notReady(
    ads !== undefined && !ads.connected && ads.lastError !== ''
      ? `no connection to the control plane${because(ads.lastError)}`
      : 'waiting for the first configuration from the control plane',
  )
}

function notReady(reason: string): Readiness {
  return { ready: false, reason: reason.replaceAll(/\s+/g, ' ') }
}

function because(problem: string): string {
  return problem === '' ? '' : `: ${problem}`
}
