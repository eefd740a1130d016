// The control plane of the bench, in a process of its own that control.ts pins to one processor: the product's compile, view, generate and
// serve on a plaintext listener, fed with a mesh that is made in this process (control-mesh.ts) instead of being read from files.
// Changes and questions come from the parent over IPC.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createCompileClient } from '../../src/bin/control-plane/compile-client.ts'
import { nodeKey } from '../../src/bin/control-plane/compile-protocol.ts'
import { compileWorkers } from '../../src/bin/control-plane/compile-worker.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { createXdsServer } from '../../src/xds/serve/ads-server.ts'
import { debounce } from '../../src/xds/serve/debounce.ts'
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
  const objects = new Map<string, AnyApiObject>(objectsOf(size).map((object) => [keyOf(object), object]))
  const addresses = addressesOf(size)
  const ready = new Set(Object.keys(addresses.workloads))
  let state = nextKubeState(emptyKubeState, objects.values())
  let readyNow: Set<string> = new Set(ready)
  const compiler = createCompileClient(
    compileWorkers({ settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' }),
    (nodes) => xds.update((node) => nodes.has(nodeKey(node))),
    (why) => console.error(`compile thread: ${why}`),
  )
  let running: Promise<unknown> = Promise.resolve()
  const round = (): Promise<void> => {
    const next = running.then(async () => {
      const started = performance.now()
      const { findings } = await compiler.compile({ state, addresses, ready: readyNow })
      if (process.env.BENCH_VERBOSE !== undefined)
        console.error(
          `compile ${(performance.now() - started).toFixed(0)} ms, ${findings.count} findings, busy ${compiler.busyMs.toFixed(0)}`,
        )
    })
    running = next
    return next
  }
  const xds = createXdsServer({
    resourcesFor: (node) => compiler.resourcesFor(node),
    trust: () => ({ trustDomain: 'cluster.local', bundle: { pem: '', certificates: [] } as never }),
    plaintext: true,
    clock: systemClock,
    log,
  })
  // As mesh-loop.ts paces rounds for readiness alone.
  let paced: NodeJS.Timeout | undefined
  let endMs = 0
  const readiness = (): void => {
    if (paced !== undefined) return
    const waitMs = endMs + Math.min(compiler.busyMs * 3, 1000) - performance.now()
    paced = setTimeout(
      () => {
        readyNow = new Set(ready)
        void round().then(() => {
          paced = undefined
          endMs = performance.now()
          if (readyNow.size !== ready.size || [...readyNow].some((key) => !ready.has(key))) readiness()
        })
      },
      Math.max(0, waitMs),
    )
  }
  const debounced = debounce(systemClock, round)
  await round()
  const server = await startGrpcServer({
    ...{ host: '127.0.0.1', port, tls: undefined, clock: systemClock, random: systemRandom, services: [xds.service] },
  })
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  process.on('message', (order: ServerOrder) => {
    const atMs = wallMs()
    if (order.do === 'endpoint') {
      const { name, namespace } = workloadOf(order.client, size.services)
      const key = `${namespace}/${name}`
      if (!ready.delete(key)) ready.add(key)
      readiness()
    } else if (order.do === 'virtual-service') {
      const object = virtualService(order.service, order.weight)
      objects.set(keyOf(object), object)
      state = nextKubeState(state, objects.values())
      debounced.changed()
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

function keyOf({ kind, metadata }: AnyApiObject): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`
}
