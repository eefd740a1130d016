// What every control plane runs, wherever its objects come from: compile thread, xDS, the gRPC port, and the loop that keeps them current.
// Started by start.ts (a directory) and kubernetes/start.ts (a cluster).
// Invariant: the port answers before the first compile, so that whoever comes back after a restart waits on a stream and is not refused.
import type { Finding } from '../../api/finding.ts'
import type { Clock } from '../../base/clock.ts'
import { LateenError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { systemRandom } from '../../base/random.ts'
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { IngestState } from '../../operator/ingest/config-source.ts'
import type { AddressBook } from '../../standalone/address-book.ts'
import { createXdsServer, type XdsServer, type XdsServerOptions } from '../../xds/serve/ads-server.ts'
import type { DebounceOptions } from '../../xds/serve/debounce.ts'
import { type GrpcServer, type GrpcServerOptions, type GrpcService, startGrpcServer } from '../../xds/serve/grpc-server.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import type { Certificates } from './certificates.ts'
import { type CompileClient, createCompileClient } from './compile-client.ts'
import { nodeKey } from './compile-protocol.ts'
import { compileWorkers } from './compile-worker.ts'
import { type CurrentMesh, type MeshLoop, startMeshLoop } from './mesh-loop.ts'
import { sayFindings } from './say-findings.ts'
import { whyNotWorkload } from './why-not-workload.ts'

export interface MeshServerOptions {
  readonly source: ReadonlyWatchable<IngestState>
  /** Findings with their places in files, where there are files. */
  readonly locate: (findings: readonly Finding[]) => Promise<readonly Finding[]>
  readonly book: AddressBook
  readonly capture: 'bind' | 'redirect'
  readonly settings: MeshSettings
  /** Who answers, as of now. */
  readonly ready: ReadonlySet<string>
  readonly certificates: Pick<Certificates, 'service' | 'tls' | 'trust'>
  readonly credentialOf?: XdsServerOptions['credentialOf']
  /** What follows the mesh beside xDS: opened when those two are, before anything is compiled or served. */
  readonly follow?: (server: { readonly xds: () => XdsServer; readonly compiler: CompileClient }) => MeshFollower
  readonly host: string
  /** 0: one of the preferred, else a free one. */
  readonly port: number
  readonly preferredPorts: readonly number[]
  readonly clock: Clock
  readonly log: Logger
  readonly debounce?: DebounceOptions
  readonly maxConnectionAgeMs?: number
}

export interface MeshFollower {
  /** Served beside xDS and certificates. */
  readonly services: readonly GrpcService[]
  compiled(round: number, current: CurrentMesh): void
  /** Proxies that are gone and still compiled for. */
  absent(): readonly ProxyNode[]
  stop(): void | Promise<void>
}

export interface MeshServer {
  readonly port: number
  readonly xds: XdsServer
  readonly compiler: CompileClient
  readonly loop: MeshLoop
  stop(): Promise<void>
}

export async function startMeshServer(options: MeshServerOptions): Promise<MeshServer> {
  const { clock, log, settings, certificates } = options
  // Whatever was opened is closed again, newest first: when a later step fails, and when the control plane stops.
  await using opened = new AsyncDisposableStack()
  const compiler = createCompileClient(
    compileWorkers({ settings, capture: options.capture }),
    (nodes) => xds.update(nodes),
    (why) => log.error('the compile thread ended and is started anew', { reason: why }),
  )
  opened.defer(() => compiler.stop())
  // Nobody is turned away before the first compile has said who runs as what: resources are given only to whom it names.
  const whyNot = (node: ProxyNode, identity: SpiffeId): string | undefined => {
    const runsAs = compiler.runsAs.get(`${node.namespace}/${node.workload}`)
    return runsAs === undefined ? undefined : whyNotWorkload(node, runsAs, identity, certificates.trust())
  }
  const xds = createXdsServer({
    keyOf: nodeKey,
    resourcesFor(node, identity) {
      // Gone, or replaced by one of another account: the proxy keeps what it has.
      const isThere = compiler.runsAs.has(`${node.namespace}/${node.workload}`)
      const resources = compiler.resourcesFor(node)
      return isThere && whyNot(node, identity) === undefined ? resources : undefined
    },
    ...(options.credentialOf === undefined ? {} : { credentialOf: options.credentialOf }),
    whyNotAdmitted: whyNot,
    trust: certificates.trust,
    clock,
    log,
  })
  const follower = options.follow?.({ xds: () => xds, compiler })
  if (follower !== undefined) opened.defer(() => follower.stop())
  const grpc = await startGrpc(
    {
      host: options.host,
      port: options.port,
      tls: certificates.tls,
      clock,
      random: systemRandom,
      services: [xds.service, certificates.service, ...(follower?.services ?? [])],
      ...(options.maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs: options.maxConnectionAgeMs }),
    },
    options.preferredPorts,
  )
  opened.defer(() => grpc.close())
  opened.defer(() => xds.close())
  const loop = await startMeshLoop({
    source: options.source,
    book: options.book,
    settings,
    ready: options.ready,
    clock,
    log,
    ...(options.debounce === undefined ? {} : { debounce: options.debounce }),
    compiler,
    servingMs: () => xds.servingMs,
    tidy: () => compiler.keepOnly([...xds.nodes(), ...(follower?.absent() ?? [])]),
    compiled: (round, current) => follower?.compiled(round, current),
    sayFindings: (fresh) => sayFindings(log, options.locate, fresh),
  })
  opened.defer(() => loop.stop())
  const running = opened.move()
  return { port: grpc.port, xds, compiler, loop, stop: () => running.disposeAsync() }
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
