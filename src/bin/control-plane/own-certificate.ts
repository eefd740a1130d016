// The control plane's own certificate: issued by its own CA under the names by which proxies know it, renewed at half its life without a
// restart. Invariant: there is always a valid one; a renewal replaces key and chain together.
import type { Clock, Timer } from '../../base/clock.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { Issuer } from '../../ca/issuer.ts'
import type { SubjectAltName } from '../../identity/x509.ts'
import type { ServerCertificate } from '../../xds/serve/grpc-server.ts'

export interface OwnCertificate {
  readonly certificate: ReadonlyWatchable<ServerCertificate>
  /** Now: another authority signs. */
  renew(): void
  stop(): void
}

export interface ControlPlanePlace {
  readonly trustDomain: string
  /** `lateen-control-plane`, with `-<revision>` for others than the default one. */
  readonly service: string
  /** Undefined: named as the Service. */
  readonly serviceAccount?: string
  readonly namespace: string
  readonly clusterDomain?: string
}

/** On Kubernetes: what proxies call the Service (their bootstrap says `<service>.<namespace>.svc`), and its own identity. */
export function clusterNames(at: ControlPlanePlace): readonly SubjectAltName[] {
  const { trustDomain, service, serviceAccount = service, namespace, clusterDomain = 'cluster.local' } = at
  return [
    { uri: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}` },
    ...[`${service}.${namespace}.svc`, `${service}.${namespace}.svc.${clusterDomain}`, `${service}.${namespace}`, 'localhost'].map(
      (dns) => ({ dns }),
    ),
    { ip: '127.0.0.1' },
  ]
}

/** Standalone: Istio's names, so that its agents and bootstraps find what they expect. */
export function controlPlaneNames(trustDomain: string): readonly SubjectAltName[] {
  return [
    { uri: `spiffe://${trustDomain}/ns/istio-system/sa/istiod` },
    { dns: 'istiod.istio-system.svc' },
    { dns: 'istiod.istio-system.svc.cluster.local' },
    { dns: 'localhost' },
    { ip: '127.0.0.1' },
  ]
}

export function keepOwnCertificate(issuer: Issuer, names: readonly SubjectAltName[], clock: Clock): OwnCertificate {
  let timer: Timer | undefined
  const issued = (): ServerCertificate => {
    const { chain, keyPem, notAfterMs } = issuer.issueWithKey(names)
    timer?.cancel()
    timer = clock.after((notAfterMs - clock.nowMs()) / 2, renew, { background: true })
    return { chainPem: chain.join(''), keyPem }
  }
  const renew = (): void => certificate.set(issued())
  const certificate = new Watchable(issued())
  return { certificate, renew, stop: () => timer?.cancel() }
}
