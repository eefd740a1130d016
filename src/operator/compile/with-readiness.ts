// A snapshot after workloads have begun or ceased to answer, without compiling: the most frequent change of all, and one that touches
// endpoints only. Called by the control plane's loop when nothing else has changed.
// Invariant: the result equals what compileMesh gives for the same input (with-readiness.test.ts compares them).
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { Endpoint, ServiceEndpoints } from '../../model/service.ts'
import type { Workload } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'

/** Undefined: this needs a compile. @param before who answered when the snapshot was made. */
export function withReadiness(snapshot: MeshSnapshot, before: ReadonlySet<string>, input: CompileInput): MeshSnapshot | undefined {
  for (const service of input.state.objects.Service.values()) if (service.spec.publishNotReadyAddresses === true) return undefined
  const turned = [...[...before].filter((key) => !input.ready.has(key)), ...[...input.ready].filter((key) => !before.has(key))]
  const workloads = new Map(snapshot.workloads)
  const touched = new Map<string, Workload>()
  for (const key of turned) {
    const workload = snapshot.workloads.get(key)
    if (workload === undefined) continue
    const after = { ...workload, ready: input.ready.has(key) }
    workloads.set(key, after)
    touched.set(key, after)
  }
  if (touched.size === 0) return snapshot
  const endpoints = new Map(snapshot.endpoints)
  for (const [hostname, found] of snapshot.endpoints) {
    if (found.ports.some((port) => port.endpoints.some((endpoint) => workloadBehind(endpoint, touched) !== undefined)))
      endpoints.set(hostname, turnedEndpoints(found, touched))
  }
  return { ...snapshot, workloads, endpoints }
}

function turnedEndpoints(found: ServiceEndpoints, touched: ReadonlyMap<string, Workload>): ServiceEndpoints {
  const ports = found.ports.map((port) => ({
    ...port,
    endpoints: port.endpoints.map((endpoint) => {
      const workload = workloadBehind(endpoint, touched)
      return workload === undefined ? endpoint : { ...endpoint, health: workload.ready ? ('healthy' as const) : ('unhealthy' as const) }
    }),
  }))
  return { ...found, ports }
}

/** By address too: an entry written by hand may bear the name of a workload. */
function workloadBehind({ host, port, workload }: Endpoint, touched: ReadonlyMap<string, Workload>): Workload | undefined {
  const found = touched.get(`${workload.namespace}/${workload.name}`)
  if (found === undefined) return undefined
  const { capture } = found
  const isOfWorkload =
    capture.kind === 'redirect'
      ? host === found.address
      : capture.inbound.some(({ listen }) => listen.host === host && listen.port === port)
  return isOfWorkload ? found : undefined
}
