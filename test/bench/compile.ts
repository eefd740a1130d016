// What one change costs the compile thread: CPU of compiling the mesh of the control plane's bench, whole and after one edit of each kind.
// Run by `npm run bench -- compile`. CPU of this process and not time, because the machine is shared; the median of many edits.
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { keyOf } from '../../src/api/object-meta.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { CompileInput } from '../../src/operator/compile/compile-input.ts'
import { compileMesh, createMeshCompiler, type MeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { changedKubeState, emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { addressesOf, objectsOf } from './control-mesh.ts'

export interface CompileRow {
  readonly what: string
  readonly cpuMs: number
}

export interface CompileFigures {
  readonly rows: readonly CompileRow[]
  /** Heap that the compiler holds besides the snapshot that it gave; undefined without --expose-gc. */
  readonly memoryMb: number | undefined
}

/** The first are not counted: the control plane runs for weeks, and its code is warm. */
const WARM = 20
const ROUNDS = 60

export function benchCompile(services: number): CompileFigures {
  const size = { services, clients: 0, scoped: false }
  const objects = new Map(objectsOf(size).map((object) => [`${object.kind} ${keyOf(object)}`, object]))
  const addresses = addressesOf(size)
  const inputOf = (state: CompileInput['state'], ready: ReadonlySet<string>): CompileInput => ({
    ...{ state, settings: DEFAULT_MESH_SETTINGS, addresses, capture: 'redirect', ready, compileRegex },
  })
  let ready: ReadonlySet<string> = new Set(Object.keys(addresses.workloads))
  let state = nextKubeState(emptyKubeState, objects.values())
  const rows: CompileRow[] = []
  const whole = medianCpuMs(5, () => compileMesh(inputOf(state, ready)))
  rows.push({ what: 'the whole mesh', cpuMs: whole })
  const compiler = createMeshCompiler()
  compiler.compile(inputOf(state, ready))
  for (const kind of ['VirtualService', 'DestinationRule', 'Service', 'LocalWorkload'] as const) {
    const keys = [...objects].flatMap(([key, object]) => (object.kind === kind ? [key] : []))
    const cpuMs = medianCpuMs(ROUNDS, (round) => {
      const key = keys[(round * 7) % keys.length] ?? ''
      const object = objects.get(key)
      if (object === undefined) throw new Error('no such object')
      const now = edited(object, round)
      objects.set(key, now)
      state = changedKubeState(state, [now], [])
      compiler.compile(inputOf(state, ready))
    })
    rows.push({ what: `one ${kind} changed`, cpuMs })
  }
  const workloads = Object.keys(addresses.workloads)
  const readinessMs = medianCpuMs(ROUNDS, (round) => {
    const gone = workloads[(round * 7) % workloads.length] ?? ''
    ready = new Set(workloads.filter((key) => key !== gone))
    compiler.compile(inputOf(state, ready))
  })
  rows.push({ what: 'one workload ready or not', cpuMs: readinessMs })
  return { rows, memoryMb: memoryOf(inputOf(state, ready)) }
}

function memoryOf(input: CompileInput): number | undefined {
  const collect = globalThis.gc
  if (collect === undefined) return undefined
  let compiler: MeshCompiler | undefined = createMeshCompiler()
  const { snapshot } = compiler.compile(input)
  collect()
  const held = process.memoryUsage().heapUsed
  const isHeld = compiler !== undefined && snapshot.services.size > 0
  compiler = undefined
  collect()
  return isHeld ? (held - process.memoryUsage().heapUsed) / 1024 / 1024 : undefined
}

/** The object with a difference that reaches proxies. */
function edited(object: AnyApiObject, round: number): AnyApiObject {
  if (object.kind === 'VirtualService') {
    const [first, last] = object.spec.http ?? []
    const route = (last?.route ?? []).map((each, index) => ({ ...each, weight: index === 0 ? round : 100 - round }))
    return { ...object, spec: { ...object.spec, http: [first ?? {}, { ...last, route }] } }
  }
  if (object.kind === 'DestinationRule') {
    return { ...object, spec: { ...object.spec, trafficPolicy: { connectionPool: { tcp: { maxConnections: round + 1 } } } } }
  }
  if (object.kind === 'Service') {
    const { ports = [] } = object.spec
    return {
      ...object,
      spec: { ...object.spec, ports: [...ports.slice(0, 1), { name: 'http-more', port: 10_000 + round, targetPort: 8080 }] },
    }
  }
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, round: String(round) } } }
}

function medianCpuMs(rounds: number, work: (round: number) => void): number {
  const figures = Array.from({ length: rounds }, (_, round) => {
    const before = process.cpuUsage()
    work(round)
    return spent(before)
  })
  const counted = figures.slice(rounds > WARM ? WARM : 0).sort((a, b) => a - b)
  return counted[Math.floor(counted.length / 2)] ?? 0
}

function spent(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
