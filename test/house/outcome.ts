// All that a set of objects leads to, as one text to compare: the resources of every proxy, and the Findings.

import type { AnyApiObject } from '../../src/api/kinds.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { analyzeMesh } from '../../src/operator/analyze/analyze-mesh.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { instancesOf, plannedService } from '../../src/standalone/address-book.ts'
import { NO_ASSIGNMENTS, planAddresses } from '../../src/standalone/address-plan.ts'
import { generate } from '../../src/xds/generate/generate.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

export function outcomeOf(objects: readonly AnyApiObject[]): string {
  const state = nextKubeState(emptyKubeState, objects)
  const workloads = instancesOf([...state.objects.LocalWorkload.values()], undefined)
  const services = [...state.objects.Service.values()].map(plannedService)
  const options = { strategy: 'loopback', mesh: 1, unavailablePorts: new Set<number>(), firstUnprivilegedPort: 1024 } as const
  const { plan } = planAddresses(workloads, services, NO_ASSIGNMENTS, options)
  const ready = new Set(Object.keys(plan.workloads).filter((key) => !key.endsWith('-v2')))
  const lines: string[] = []
  for (const capture of ['bind', 'redirect'] as const) {
    const input = { state, settings: DEFAULT_MESH_SETTINGS, addresses: plan, capture, ready, compileRegex }
    const { snapshot, findings } = compileMesh(input)
    lines.push(...findings.map(({ code, object, path, message }) => `${code} ${object?.name} ${path} ${message}`))
    for (const { namespace, name } of snapshot.workloads.values()) {
      const view = viewFor(snapshot, { namespace, workload: name, isStock: true })
      if (view === undefined) continue
      for (const [type, resources] of generate(view))
        for (const [resource, { version }] of resources) lines.push(`${name} ${type} ${resource} ${version}`)
    }
  }
  lines.push(...analyzeMesh(state, DEFAULT_MESH_SETTINGS).map(({ code, object, path }) => `${code} ${object?.name} ${path}`))
  return lines.join('\n')
}
