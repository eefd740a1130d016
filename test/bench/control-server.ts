// The control plane of the bench, in a process of its own that control.ts pins to one processor: the product's compile, view, generate and
// serve on a plaintext listener, fed with a mesh that is made in this process (control-mesh.ts) instead of being read from files.
// Changes and questions come from the parent over IPC.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { createResourceCache } from '../../src/bin/control-plane/resource-cache.ts'
import { parseTrustBundle } from '../../src/identity/trust-bundle.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
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
  let snapshot: MeshSnapshot | undefined
  const round = (): void => {
    const started = performance.now()
    const settings = DEFAULT_MESH_SETTINGS
    const compiled = compileMesh({ state, settings, addresses, capture: 'redirect', ready: new Set(ready), compileRegex }, snapshot)
    snapshot = compiled.snapshot
    if (process.env.BENCH_VERBOSE !== undefined)
      console.error(`compile ${(performance.now() - started).toFixed(0)} ms, ${compiled.findings.length} findings`)
    xds.update()
  }
  const resourcesOf = createResourceCache()
  const bundle = parseTrustBundle('')
  const xds = createXdsServer({
    resourcesFor: (node) => (snapshot === undefined ? undefined : resourcesOf(snapshot, node)),
    trust: () => ({ trustDomain: 'cluster.local', bundle: bundle.ok ? bundle.value : ({ pem: '', certificates: [] } as never) }),
    plaintext: true,
    clock: systemClock,
    log,
  })
  const debounced = debounce(systemClock, round)
  round()
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
      setImmediate(round)
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
