// All that a set of objects leads to, as text to compare: the Findings, and the resources of every proxy, of a stock Envoy and of ours.
// Compiled and generated as a control plane does it, with what it remembers: a key that leaves out what its resource is made from shows
// here as a field that does nothing.

import type { AnyApiObject } from '../../src/api/kinds.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { analyzeMesh } from '../../src/operator/analyze/analyze-mesh.ts'
import { createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { instancesOf, plannedService } from '../../src/standalone/address-book.ts'
import { NO_ASSIGNMENTS, planAddresses } from '../../src/standalone/address-plan.ts'
import { createGenerator } from '../../src/xds/generate/generate.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

export interface Outcome {
  readonly findings: string
  /** What stock Envoys are sent. */
  readonly stock: string
  /** What Lateen's own proxies are sent. */
  readonly ours: string
}

/** Of one set of objects after the other. */
export function createOutcomes(): (objects: readonly AnyApiObject[]) => Outcome {
  let state = emptyKubeState
  const captures = (['bind', 'redirect'] as const).map((capture) => ({ capture, compiler: createMeshCompiler() }))
  const generate = createGenerator()
  const sent = (snapshot: MeshSnapshot, isStock: boolean): readonly string[] =>
    [...snapshot.workloads.values()].flatMap(({ namespace, name }) =>
      (['sidecar', 'router'] as const).flatMap((type) => {
        const view = viewFor(snapshot, { namespace, workload: name, isStock, type })
        if (view === undefined || view.gateway?.listeners.length === 0) return []
        return [...generate(view)].flatMap(([typeUrl, { shared, own }]) =>
          [...shared, ...own].map(([resource, { version }]) => `${type} ${name} ${typeUrl} ${resource} ${version}`),
        )
      }),
    )
  return (objects) => {
    state = nextKubeState(state, objects)
    const workloads = instancesOf([...state.objects.LocalWorkload.values()], undefined)
    const services = [...state.objects.Service.values()].map(plannedService)
    const options = { strategy: 'loopback', mesh: 1, unavailablePorts: new Set<number>(), firstUnprivilegedPort: 1024 } as const
    const { plan } = planAddresses(workloads, services, NO_ASSIGNMENTS, options)
    const ready = new Set(Object.keys(plan.workloads).filter((key) => !key.endsWith('-v2')))
    const input = { state, settings: DEFAULT_MESH_SETTINGS, addresses: plan, ready, compileRegex }
    const compiled = captures.map(({ capture, compiler }) => compiler.compile({ ...input, capture }))
    const findings = [...compiled.flatMap((each) => each.findings), ...analyzeMesh(state, DEFAULT_MESH_SETTINGS)]
    return {
      findings: findings.map(({ code, object, path, message }) => `${code} ${object?.name} ${path} ${message}`).join('\n'),
      stock: compiled.flatMap(({ snapshot }) => sent(snapshot, true)).join('\n'),
      ours: compiled.flatMap(({ snapshot }) => sent(snapshot, false)).join('\n'),
    }
  }
}
