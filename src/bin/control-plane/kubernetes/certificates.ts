// The certificate authority of a control plane in a cluster, with the roots in every namespace of the mesh. Opened by start.ts.
// Invariant: a new root is issued from only when every namespace has it; until the roots can be written, nobody is said to have it.
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/log.ts'
import type { Random } from '../../../base/random.ts'
import type { ReadonlyWatchable } from '../../../base/watchable.ts'
import { openClusterAuthority } from '../../../ca/cluster-authority.ts'
import { keepRootConfigMaps } from '../../../ca/root-config-maps.ts'
import { createTokenReviews } from '../../../ca/token-review.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { MeshSettings } from '../../../model/mesh-settings.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'
import { type Certificates, certificatesOf } from '../certificates.ts'
import { clusterNames } from '../own-certificate.ts'
import type { Health } from './health.ts'
import { watchNamespaces } from './namespaces.ts'

export interface ClusterCertificatesOptions {
  readonly client: KubeClient
  readonly namespace: string
  readonly serviceName: string
  readonly clusterDomain: string
  readonly trustDomain: string
  readonly certificateLifetimeMs: number
  readonly watchNamespaces: readonly string[]
  readonly isLeader: ReadonlyWatchable<boolean>
  readonly source: ReadonlyWatchable<IngestState>
  /** As they are now. */
  readonly settings: () => MeshSettings
  readonly health: Health
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface ClusterCertificates {
  readonly certificates: Certificates
  /** Namespaces whose ConfigMap of roots is somebody else's. */
  readonly foreignRoots: ReadonlyWatchable<readonly string[]>
  readonly stop: () => Promise<void>
}

export async function openClusterCertificates(options: ClusterCertificatesOptions): Promise<ClusterCertificates> {
  const { namespace, trustDomain, clock, log, isLeader, source, certificateLifetimeMs: maxValidityMs } = options
  await using opened = new AsyncDisposableStack()
  let everyoneTrusts: (bundleHash: string) => boolean = () => false
  const opening = openClusterAuthority({ ...options, maxValidityMs, everyoneTrusts: (hash) => everyoneTrusts(hash) })
  const authority = await options.health.until('the certificate authority', opening)
  const certificates = certificatesOf({
    authority,
    reviews: createTokenReviews(options),
    names: clusterNames({ trustDomain, service: options.serviceName, namespace, clusterDomain: options.clusterDomain }),
    ...{ trustDomain, maxValidityMs, recordRoots: () => undefined, clock, log },
  })
  opened.defer(() => certificates.stop())
  const readAliases = (): void => certificates.setAliases(options.settings().trustDomainAliases)
  readAliases()
  opened.defer(source.watch(readAliases))
  const namespaces = watchNamespaces(source, options.settings, options.watchNamespaces)
  opened.defer(() => namespaces.stop())
  const { client, random } = options
  const rootMaps = keepRootConfigMaps({
    ...{ client, clock, random, log, isLeader },
    namespaces: namespaces.current,
    rootsPem: certificates.roots,
    ...(options.watchNamespaces.length === 0 ? {} : { watchNamespaces: [...options.watchNamespaces, namespace] }),
  })
  opened.defer(() => rootMaps.stop())
  everyoneTrusts = (hash) => authority.bundle.value.hash === hash && rootMaps.isWritten(authority.bundle.value.pem)
  const running = opened.move()
  return { certificates, foreignRoots: rootMaps.foreign, stop: () => running.disposeAsync() }
}
