// The control plane of the bench, in a process of its own that control.ts pins to one processor: the product's loop,
// compile thread and xDS on a plaintext listener, fed with a mesh that is made in this process (control-mesh.ts) instead of being read from files.
// Changes and questions come from the parent over IPC.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { createCompileClient } from '../../src/bin/control-plane/compile-client.ts'
import { nodeKey } from '../../src/bin/control-plane/compile-protocol.ts'
import { compileWorkers } from '../../src/bin/control-plane/compile-worker.ts'
import { startMeshLoop } from '../../src/bin/control-plane/mesh-loop.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { IngestState } from '../../src/operator/ingest/config-source.ts'
import { changedKubeState, emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { createXdsServer } from '../../src/xds/serve/ads-server.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'
import { addressesOf, type MeshSize, objectsOf, virtualService, workloadOf } from './control-mesh.ts'

export type ServerOrder =
  | { readonly do: 'endpoint'; readonly client: number }
  | { readonly do: 'virtual-service'; readonly service: number; readonly weight: number }
  | { readonly do: 'stats' }

export interface ServerStats {
  readonly loopP99Ms: number
  readonly loopMaxMs: number
  readonly pushedBytes: number
  readonly refused: number
  readonly rssBytes: number
}

export const wallMs = (): number => performance.timeOrigin + performance.now()

if (process.argv[1] === import.meta.filename) await main(JSON.parse(process.argv[2] ?? '{}'))

async function main({ size, port }: { readonly size: MeshSize; readonly port: number }): Promise<void> {
  const log = createLogger({ level: 'warn', format: 'text', write: (line) => void process.stderr.write(line), nowMs: () => Date.now() })
  const objects = objectsOf(size)
  const addresses = addressesOf(size)
  let ready: Set<string> = new Set(Object.keys(addresses.workloads))
  const source = new Watchable<IngestState>({ state: nextKubeState(emptyKubeState, objects), findings: [] })
  const compiler = createCompileClient(
    compileWorkers({ settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' }),
    (nodes) => xds.update(nodes),
    (why) => console.error(`compile thread: ${why}`),
  )
  const xds = createXdsServer({
    keyOf: nodeKey,
    resourcesFor: (node) => compiler.resourcesFor(node),
    trust: () => ({ trustDomain: 'cluster.local', bundle: { pem: '', certificates: [] } as never }),
    plaintext: true,
    clock: systemClock,
    log,
  })
  // As start.ts: before the first compile.
  const server = await startGrpcServer({
    ...{ host: '127.0.0.1', port, tls: undefined, clock: systemClock, random: systemRandom, services: [xds.service] },
  })
  const loop = await startMeshLoop({
    source,
    book: { plan: () => Promise.resolve({ plan: addresses, problems: [] }) },
    settings: DEFAULT_MESH_SETTINGS,
    ready,
    clock: systemClock,
    log,
    compiler,
    servingMs: () => xds.servingMs,
    tidy: () => compiler.keepOnly(xds.nodes()),
    sayFindings: () => Promise.resolve(),
  })
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  process.on('message', (order: ServerOrder) => {
    const atMs = wallMs()
    if (order.do === 'endpoint') {
      const { name, namespace } = workloadOf(order.client, size.services)
      const key = `${namespace}/${name}`
      ready = new Set(ready)
      if (!ready.delete(key)) ready.add(key)
      loop.setReady(ready)
    } else if (order.do === 'virtual-service') {
      const object = virtualService(order.service, order.weight)
      source.set({ state: changedKubeState(source.value.state, [object], []), findings: [] })
    } else {
      const { pushedBytes, refusedStreams } = xds.metrics
      const stats: ServerStats = {
        loopP99Ms: delays.percentile(99) / 1e6,
        loopMaxMs: delays.max / 1e6,
        pushedBytes,
        refused: refusedStreams,
        rssBytes: process.memoryUsage.rss(),
      }
      delays.reset()
      process.send?.({ stats })
      return
    }
    process.send?.({ changedAtMs: atMs })
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ ready: true, port: server.port })
}
