// A whole control plane in a cluster, from its options to a handle. Called by ../../control-plane.ts for `--kubernetes`.
// Order matters: the health port first, so that a slow start is seen as one; what answers others is opened last, so that whoever gets an
// answer gets a true one. Invariant: no state but in the Kubernetes API: any replica can die at any time.
import { isRecord } from '../../../api/record.ts'
import type { Clock } from '../../../base/clock.ts'
import { LateenError } from '../../../base/errors.ts'
import type { Logger } from '../../../base/log.ts'
import { systemRandom } from '../../../base/random.ts'
import { compileRegex } from '../../../base/regex.ts'
import { formatProblems } from '../../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../../base/watchable.ts'
import { type SpiffeId, workloadSpiffeId } from '../../../identity/spiffe-id.ts'
import { createKubeClient } from '../../../kube/client.ts'
import { type Election, startElection } from '../../../kube/lease.ts'
import { loadConnection } from '../../../kube/load-connection.ts'
import type { AddressPlan } from '../../../model/address-plan.ts'
import type { MeshSettings } from '../../../model/mesh-settings.ts'
import { meshSettings } from '../../../operator/compile/mesh-config.ts'
import { KubernetesSource, type UnreadKind } from '../../../operator/ingest/kubernetes-source.ts'
import { pushCredentials } from '../gateway-credentials.ts'
import { closed, listenOnPort } from '../listen.ts'
import { startMeshServer } from '../mesh-server.ts'
import { openClusterCertificates } from './certificates.ts'
import { withClusterFindings } from './cluster-findings.ts'
import { watchCredentials } from './credentials.ts'
import { createHealth } from './health.ts'
import { startInjection } from './injection.ts'
import { watchInjectorFile } from './injector-file.ts'
import type { KubernetesOptions } from './options.ts'
import { NO_PLACES, openPeoplesPorts } from './peoples-ports.ts'
import { openTruth } from './truth.ts'

export interface ClusterControlPlaneOptions extends KubernetesOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly settings: MeshSettings
  readonly version: string
  readonly clock: Clock
  readonly log: Logger
  readonly maxConnectionAgeMs: number
  /** Gives up whatever the start waits for. */
  readonly signal: AbortSignal
}

export interface ClusterControlPlane {
  stop(): Promise<void>
}

/** Pods have addresses of their own. */
const NO_PLAN: AddressPlan = { strategy: 'loopback', workloads: {} }

export async function startClusterControlPlane(options: ClusterControlPlaneOptions): Promise<ClusterControlPlane> {
  const { clock, log, version, namespace, revision } = options
  const random = systemRandom
  const suffix = revision === 'default' ? '' : `-${revision}`
  const serviceName = `lateen-control-plane${suffix}`
  // Whatever was opened is closed again, newest first: when a later step fails, and when the control plane stops.
  await using opened = new AsyncDisposableStack()
  const health = createHealth(log, clock)
  opened.defer(() => closed(health.server))
  await listenOnPort(health.server, options.listen.host, options.healthPort, 0)

  health.waitingFor = 'the API server'
  const connection = await loadConnection({ clock, env: options.env, kubeconfig: options.kubeconfig })
  if (!connection.ok) throw new LateenError('NO_API_SERVER', connection.failure.message)
  const client = createKubeClient(connection.value, { clock, userAgent: `lateen-control-plane/${version}` })
  opened.defer(() => client.close())
  const parts = { client, clock, random, log }
  const election = startElection({
    ...parts,
    namespace,
    name: `lateen-leader${suffix}`,
    identity: `${options.podName}@${options.podAddress}:${options.listen.port}`,
  })
  opened.defer(() => election.stop())
  const isLeader = leadership(election)

  const injector = watchInjectorFile(options.injectorConfigPath, clock, log)
  opened.defer(() => injector.stop())
  const check = { defaultNamespace: 'default', compileRegex }
  const source = new KubernetesSource({
    ...parts,
    check,
    systemNamespace: namespace,
    meshConfigMap: `lateen${suffix}`,
    revision,
    tags: injector.tags,
    namespaces: options.watchNamespaces,
  })
  opened.defer(() => source.stop())
  await health.until('all resources of the cluster', source.start(), () =>
    source.unread.value.filter(isInTheWay).map(({ because }) => because),
  )
  const base = fixedSettings(source, options)

  const {
    certificates,
    foreignRoots,
    stop: stopCertificates,
  } = await openClusterCertificates({
    ...parts,
    ...options,
    ...{ health, isLeader, serviceName, trustDomain: base.trustDomain, source: source.current },
    settings: () => meshSettings(source.current.value.state.objects.MeshConfig, base).settings,
  })
  opened.defer(stopCertificates)
  const credentials = watchCredentials(parts)
  opened.defer(() => credentials.stop())
  const said = withClusterFindings({ source: source.current, unread: source.unread, foreignRoots, credentials })
  opened.defer(() => said.stop())
  const starting = startMeshServer({
    source: said.current,
    ...NO_PLACES,
    book: { plan: () => Promise.resolve({ plan: NO_PLAN, problems: [] }) },
    capture: 'redirect',
    settings: base,
    ready: source.ready.value,
    certificates,
    credentialOf: credentials.credentialOf,
    follow: openTruth({ ...parts, ...options, election, certificates, identity: ownIdentity(base.trustDomain, namespace, serviceName) }),
    ...options.listen,
    preferredPorts: [],
    maxConnectionAgeMs: options.maxConnectionAgeMs,
    clock,
    log,
  })
  const server = await health.until('the first compile', starting)
  opened.defer(() => server.stop())
  opened.defer(pushCredentials(credentials, server.xds))
  opened.defer(source.ready.watch((ready) => server.loop.setReady(ready)))
  server.loop.setReady(source.ready.value)

  health.waitingFor = 'the webhook'
  const webhook = await startInjection({
    ...parts,
    source: source.current,
    check,
    config: injector.config,
    certificateFolder: options.webhookCertificateFolder,
    host: options.listen.host,
    port: options.webhookPort,
    version,
    trustDomain: base.trustDomain,
  })
  opened.defer(() => webhook.close())
  const ports = await openPeoplesPorts({ ...options, election, server, health, certificates, webhook })
  opened.defer(ports.stop)
  health.waitingFor = ''
  log.info('control plane ready', { revision, namespace, xds: `${options.podAddress}:${server.port}`, webhook: webhook.port })

  const running = opened.move()
  return {
    stop() {
      // First of all: nobody is sent here any more.
      health.waitingFor = 'the end'
      return running.disposeAsync()
    },
  }
}

/** A kind without its CRD counts as empty. */
function isInTheWay({ isMissing }: UnreadKind): boolean {
  return !isMissing
}

/** Trust domain and root namespace are those of the start: identities that were issued do not change their names. */
function fixedSettings(source: KubernetesSource, { settings, namespace, clusterDomain }: ClusterControlPlaneOptions): MeshSettings {
  const [config] = source.current.value.state.objects.MeshConfig.values()
  const spec: unknown = config?.spec
  const text = (field: string): string | undefined => {
    const value = isRecord(spec) ? spec[field] : undefined
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  return {
    ...settings,
    trustDomain: text('trustDomain') ?? settings.trustDomain,
    rootNamespace: text('rootNamespace') ?? namespace,
    domainSuffix: clusterDomain,
  }
}

/** Its ServiceAccount has the name of its Service. */
function ownIdentity(trustDomain: string, namespace: string, serviceAccount: string): SpiffeId {
  const id = workloadSpiffeId({ trustDomain, namespace, serviceAccount })
  if (!id.ok) throw new LateenError('BAD_OPTION', `the control plane's identity: ${formatProblems(id.problems)}`)
  return id.value
}

function leadership(election: Election): ReadonlyWatchable<boolean> {
  const leads = new Watchable(election.term.value !== undefined)
  election.term.watch((term) => leads.set(term !== undefined))
  return leads
}
