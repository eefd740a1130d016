// Who answers, put onto the compiled mesh as the last step: the most frequent change of all touches workloads and endpoints only, and no pass
// has to run for it. Called by compile-mesh.ts.
// Invariants: compile leaves every workload unready and every endpoint of one 'unhealthy', or 'draining' when it is on its way out; what is
// healthy already, and what an object says that names no workload, does not depend on it.
// What neither changed nor turned is the object of the snapshot before.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { Endpoint, ServiceEndpoints } from '../../model/service.ts'
import type { Workload } from '../../model/workload.ts'

/** A snapshot before readiness was put onto it, and after. */
export interface Answering {
  readonly compiled: MeshSnapshot
  readonly shown: MeshSnapshot
  readonly ready: ReadonlySet<string>
}

/** @param ready `namespace/name` of the workloads that answer. */
export function withReadiness(compiled: MeshSnapshot, ready: ReadonlySet<string>, before: Answering | undefined): MeshSnapshot {
  const hasNobodyTurned = before?.ready === ready
  if (hasNobodyTurned && before.compiled === compiled) return before.shown
  const workloads = shownEntries(compiled.workloads, before?.compiled.workloads, before?.shown.workloads, {
    isRight: (workload, key) => hasNobodyTurned || workload.ready === ready.has(key),
    make: (workload, key): Workload => (ready.has(key) ? { ...workload, ready: true } : workload),
  })
  const endpoints = shownEntries(compiled.endpoints, before?.compiled.endpoints, before?.shown.endpoints, {
    isRight: (found, _key, base) => hasNobodyTurned || isRight(found, base, ready),
    make: (base) => answering(base, ready),
  })
  const isSame = before?.compiled === compiled && before.shown.workloads === workloads && before.shown.endpoints === endpoints
  return isSame ? before.shown : { ...compiled, workloads, endpoints }
}

interface Showing<V> {
  /** Whether what was shown of the same value is still true. */
  readonly isRight: (shown: V, key: string, base: V) => boolean
  readonly make: (base: V, key: string) => V
}

function shownEntries<V>(
  compiled: ReadonlyMap<string, V>,
  compiledBefore: ReadonlyMap<string, V> | undefined,
  shownBefore: ReadonlyMap<string, V> | undefined,
  { isRight, make }: Showing<V>,
): ReadonlyMap<string, V> {
  const shown = new Map<string, V>()
  let isSame = shownBefore?.size === compiled.size
  for (const [key, base] of compiled) {
    const last = compiledBefore?.get(key) === base ? shownBefore?.get(key) : undefined
    const isKept = last !== undefined && isRight(last, key, base)
    isSame &&= isKept
    shown.set(key, isKept ? last : make(base, key))
  }
  return isSame && shownBefore !== undefined ? shownBefore : shown
}

function isRight(shown: ServiceEndpoints, base: ServiceEndpoints, ready: ReadonlySet<string>): boolean {
  return base.ports.every(({ endpoints }, port) =>
    endpoints.every((endpoint, index) => shown.ports[port]?.endpoints[index]?.health === healthOf(endpoint, ready)),
  )
}

function answering(base: ServiceEndpoints, ready: ReadonlySet<string>): ServiceEndpoints {
  const ports = base.ports.map(({ port, endpoints }) => ({
    port,
    endpoints: endpoints.map((endpoint) => {
      const health = healthOf(endpoint, ready)
      return health === endpoint.health ? endpoint : { ...endpoint, health }
    }),
  }))
  return { ...base, ports }
}

function healthOf({ health, instance }: Endpoint, ready: ReadonlySet<string>): Endpoint['health'] {
  if (health === 'healthy' || instance === undefined) return health
  if (ready.has(instance)) return health === 'draining' ? 'draining' : 'healthy'
  // One that goes and does not answer any more is no last resort (Kubernetes' condition 'serving').
  return 'unhealthy'
}
