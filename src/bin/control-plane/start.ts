// A whole control plane from its options to a handle: state folder, CA, sources, loop, xDS, socket, metrics. Called by ../control-plane.ts
// and by tests. Order matters: what answers is opened last, so that whoever gets an answer gets a true one.
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { LateenError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { systemRandom } from '../../base/random.ts'
import { compileRegex } from '../../base/regex.ts'
import { type Trust, underOwnName } from '../../identity/peer.ts'
import { type SpiffeId, workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { meshSettings } from '../../operator/compile/mesh-config.ts'
import { ConfigSource } from '../../operator/ingest/config-source.ts'
import { openAddressBook } from '../../standalone/address-book.ts'
import { controlPlanePort } from '../../standalone/address-plan.ts'
import { openStateFolder, readSettings } from '../../standalone/state-folder.ts'
import { createXdsServer } from '../../xds/serve/ads-server.ts'
import type { DebounceOptions } from '../../xds/serve/debounce.ts'
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from '../../xds/serve/grpc-server.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import { openCertificates } from './certificates.ts'
import { createCompileClient } from './compile-client.ts'
import { nodeKey } from './compile-protocol.ts'
import { compileWorkers } from './compile-worker.ts'
import { createJsonServer } from './http-json.ts'
import { listenOnPort, listenOnSocket, refuseSecond } from './listen.ts'
import { startMeshLoop } from './mesh-loop.ts'
import { formatXdsMetrics } from './metrics.ts'
import { sayFindings } from './say-findings.ts'
import { openStateFiles } from './state-files.ts'
import { statusRoutes } from './status-api.ts'

export interface ControlPlaneOptions {
  readonly dir: string
  readonly state: string
  readonly host: string
  /** 0: the one of the run before, else a free one. */
  readonly port: number
  readonly monitoringPort: number
  /** Of every certificate that is issued; undefined: 24 hours. */
  readonly certificateLifetimeMs?: number
  /** Where a CA may be plugged in; undefined: `cacerts` in the state folder. */
  readonly cacerts?: string
  /** How long a new root is trusted before certificates are issued from it; undefined: 30 seconds. */
  readonly rootSpreadMs?: number
  readonly settings: MeshSettings
  readonly version: string
  readonly pid: number
  readonly isRoot: boolean
  readonly clock: Clock
  readonly log: Logger
  readonly debounce?: DebounceOptions
  readonly maxConnectionAgeMs?: number
}

export interface ControlPlane {
  readonly port: number
  readonly monitoringPort: number
  readonly socket: string
  readonly rootPem: string
  stop(): Promise<void>
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { clock, log, settings, version } = options
  const { trustDomain } = settings
  const folder = openStateFolder(options.state)
  await refuseSecond(folder.socket)
  // Whatever was opened is closed again, newest first: when a later step fails, and when the control plane stops.
  await using opened = new AsyncDisposableStack()
  const files = openStateFiles(folder.path)
  const certificates = openCertificates({
    stateFolder: folder.path,
    cacertsFolder: options.cacerts ?? join(folder.path, 'cacerts'),
    tokensFile: join(folder.path, 'ca', 'join-tokens.json'),
    ...{ trustDomain, maxValidityMs: options.certificateLifetimeMs, rootSpreadMs: options.rootSpreadMs, clock, log },
    recordRoots: (pem) => files.recordRoot(pem),
  })
  opened.defer(() => certificates.stop())
  const { tokens, trust } = certificates

  const source = new ConfigSource({
    folder: options.dir,
    overlayFolder: join(folder.path, 'applied'),
    check: { defaultNamespace: 'default', compileRegex },
    clock,
  })
  opened.defer(() => source.stop())
  await source.start()
  const readAliases = (): void =>
    certificates.setAliases(meshSettings(source.current.value.state.objects.MeshConfig, settings).settings.trustDomainAliases)
  readAliases()
  opened.defer(source.current.watch(readAliases))
  const compiler = createCompileClient(
    compileWorkers({ settings, capture: 'bind' }),
    (nodes) => xds.update(nodes),
    (why) => log.error('the compile thread ended and is started anew', { reason: why }),
  )
  opened.defer(() => compiler.stop())
  // Nobody is turned away before the first compile has said who runs as what: resources are given only to whom it names.
  const whyNot = (node: ProxyNode, identity: SpiffeId): string | undefined => {
    const serviceAccount = compiler.accounts.get(`${node.namespace}/${node.workload}`)
    return serviceAccount === undefined ? undefined : whyNotWorkload(node, serviceAccount, identity, trust())
  }
  const xds = createXdsServer({
    keyOf: nodeKey,
    resourcesFor(node, identity) {
      // Gone, or replaced by one of another account: the proxy keeps what it has.
      const isThere = compiler.accounts.has(`${node.namespace}/${node.workload}`)
      const resources = compiler.resourcesFor(node)
      return isThere && whyNot(node, identity) === undefined ? resources : undefined
    },
    whyNotAdmitted: whyNot,
    trust,
    clock,
    log,
  })
  // Before the first compile: whoever comes back after a restart waits on a stream, and does not try again later and later.
  const grpc = await startGrpc(
    {
      host: options.host,
      port: options.port,
      tls: certificates.tls,
      clock,
      random: systemRandom,
      services: [xds.service, certificates.service],
      ...(options.maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs: options.maxConnectionAgeMs }),
    },
    preferredPorts(files.recorded.xds, readSettings(folder)?.mesh),
  )
  opened.defer(() => grpc.close())
  opened.defer(() => xds.close())
  const loop = await startMeshLoop({
    source: source.current,
    book: openAddressBook(folder, options.isRoot),
    settings,
    ready: files.ready,
    clock,
    log,
    ...(options.debounce === undefined ? {} : { debounce: options.debounce }),
    compiler,
    servingMs: () => xds.servingMs,
    tidy: () => compiler.keepOnly(xds.nodes()),
    sayFindings: (fresh) => sayFindings(log, (findings) => source.locate(findings), fresh),
  })
  opened.defer(() => loop.stop())

  const about = () => ({ ...recorded, dir: options.dir, state: folder.path })
  const monitoring = createJsonServer(
    {
      'GET /metrics': () => ({ status: 200, body: certificates.metrics() + formatXdsMetrics(xds, loop.rounds) }),
      'GET /version': () => ({ status: 200, body: { version } }),
      'GET /ready': () => ({ status: 200, body: 'ready\n' }),
    },
    log,
  )
  opened.defer(() => closed(monitoring))
  const monitoringPort = await listenOnPort(monitoring, options.host, options.monitoringPort, files.recorded.monitoring)
  const recorded = {
    pid: options.pid,
    version,
    xds: { host: options.host, port: grpc.port },
    monitoring: { host: options.host, port: monitoringPort },
  }
  files.record(recorded)
  const status = createJsonServer(
    statusRoutes({
      about,
      trustDomain,
      source,
      loop,
      compiler,
      xds,
      tokens,
      ownFindings: certificates.findings,
      recordReady: (ready) => files.recordReady(ready),
    }),
    log,
  )
  opened.defer(() => closed(status))
  await listenOnSocket(status, folder.socket)
  log.info('control plane ready', {
    xds: `${options.host}:${grpc.port}`,
    monitoring: `${options.host}:${monitoringPort}`,
    dir: options.dir,
  })

  const running = opened.move()
  return {
    port: grpc.port,
    monitoringPort,
    socket: folder.socket,
    get rootPem() {
      return certificates.rootsPem
    },
    stop: () => running.disposeAsync(),
  }
}

/** Where it was before, so that proxies find it again; the first time the mesh's own port. */
function preferredPorts(before: number, mesh: number | undefined): readonly number[] {
  return [...(before === 0 ? [] : [before]), ...(mesh === undefined ? [] : [controlPlanePort(mesh)])]
}

/** Elsewhere when somebody has taken them all. */
async function startGrpc(options: GrpcServerOptions, preferred: readonly number[]): Promise<GrpcServer> {
  if (options.port !== 0) return startGrpcServer(options)
  for (const port of preferred) {
    try {
      return await startGrpcServer({ ...options, port })
    } catch (error) {
      if (!(error instanceof LateenError)) throw error
    }
  }
  return startGrpcServer(options)
}

function whyNotWorkload({ namespace, workload }: ProxyNode, serviceAccount: string, identity: SpiffeId, trust: Trust): string | undefined {
  const expected = workloadSpiffeId({ trustDomain: trust.trustDomain, namespace, serviceAccount })
  if (expected.ok && expected.value === underOwnName(identity, trust)) return undefined
  return `the workload ${namespace}/${workload} runs as service account '${serviceAccount}', but the certificate is for ${identity}`
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
