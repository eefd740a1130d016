// A whole control plane from its options to a handle: state folder, CA, sources, loop, xDS, socket, metrics. Called by ../control-plane.ts
// and by tests. Order matters: what answers is opened last, so that whoever gets an answer gets a true one.
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { compileRegex } from '../../base/regex.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { meshSettings } from '../../operator/compile/mesh-config.ts'
import { ConfigSource } from '../../operator/ingest/config-source.ts'
import { CredentialBook } from '../../operator/ingest/credential-book.ts'
import { openAddressBook } from '../../standalone/address-book.ts'
import { controlPlanePort } from '../../standalone/address-plan.ts'
import { openStateFolder, readSettings } from '../../standalone/state-folder.ts'
import type { DebounceOptions } from '../../xds/serve/debounce.ts'
import { openCertificates } from './certificates.ts'
import { credentialFindings, pushCredentials } from './gateway-credentials.ts'
import { createJsonServer } from './http-json.ts'
import { closed, listenOnPort, listenOnSocket, refuseSecond } from './listen.ts'
import { startMeshServer } from './mesh-server.ts'
import { formatXdsMetrics } from './metrics.ts'
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
  const { tokens } = certificates

  const source = new ConfigSource({
    folder: options.dir,
    overlayFolder: join(folder.path, 'applied'),
    check: { defaultNamespace: 'default', compileRegex },
    clock,
  })
  opened.defer(() => source.stop())
  await source.start()
  const credentials = new CredentialBook()
  opened.defer(source.secrets.watch((secrets) => credentials.replace(secrets)))
  credentials.replace(source.secrets.value)
  const readAliases = (): void =>
    certificates.setAliases(meshSettings(source.current.value.state.objects.MeshConfig, settings).settings.trustDomainAliases)
  readAliases()
  opened.defer(source.current.watch(readAliases))
  const server = await startMeshServer({
    source: source.current,
    locate: (findings) => source.locate(findings),
    book: openAddressBook(folder, options.isRoot),
    capture: 'bind',
    settings,
    ready: files.ready,
    certificates,
    credentialOf: credentials.credentialOf,
    host: options.host,
    port: options.port,
    preferredPorts: preferredPorts(files.recorded.xds, readSettings(folder)?.mesh),
    clock,
    log,
    ...(options.debounce === undefined ? {} : { debounce: options.debounce }),
    ...(options.maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs: options.maxConnectionAgeMs }),
  })
  opened.defer(() => server.stop())
  const { xds, compiler, loop } = server
  opened.defer(pushCredentials(credentials, xds))

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
    xds: { host: options.host, port: server.port },
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
      ownFindings: () => [...certificates.findings(), ...credentialFindings(source.current.value.state, credentials.credentialOf)],
      recordReady: (ready) => files.recordReady(ready),
    }),
    log,
  )
  opened.defer(() => closed(status))
  await listenOnSocket(status, folder.socket)
  log.info('control plane ready', {
    xds: `${options.host}:${server.port}`,
    monitoring: `${options.host}:${monitoringPort}`,
    dir: options.dir,
  })

  const running = opened.move()
  return {
    port: server.port,
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
