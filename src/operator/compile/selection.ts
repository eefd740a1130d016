// Selectors meet labels: which workloads and WorkloadEntries stand behind which service. Once for both sides: workloads.ts asks for the
// services of a workload, endpoints.ts for the workloads of a service. After aliases, before workloads.
import { isIP } from 'node:net'
import type { WorkloadEntry } from '../../api/generated/workload-entry.gen.ts'
import type { Instance } from './instance.ts'
import { indexLabels, type LabelIndex } from './label-index.ts'
import { compareText, type FixedEndpoint } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'
import { fixedEndpointOf } from './service-entries.ts'

type Labels = Readonly<Record<string, string>>

export const selection = definePass({
  kinds: ['WorkloadEntry'],
  reads: ['services', 'selectors', 'instances', 'fixedEndpoints'],
  create: () => {
    const indexedInstances = new Remembered(indexInstances)
    const indexedEntries = new Remembered(indexEntries)
    const selections = new Remembered(select)
    return ({ objects, draft }) => {
      // Selectors look at home only, so a workload that changes concerns the services of its namespace.
      const instances = indexAll(
        Map.groupBy(draft.instances.values(), ({ namespace }) => namespace),
        indexedInstances,
      )
      const entries = indexAll(
        Map.groupBy(objects.WorkloadEntry.values(), ({ metadata }) => metadata.namespace),
        indexedEntries,
      )
      const selectFor = selections.round()
      const selected = new Map<string, readonly string[]>()
      const selectedBy = new Map<string, string[]>()
      const fixedEndpoints = new Map(draft.fixedEndpoints)
      for (const [key, selector] of draft.selectors) {
        const namespace = draft.services.get(key)?.namespace ?? ''
        const found = selectFor(key, selector, instances.get(namespace), entries.get(namespace))
        selected.set(key, found.instances)
        fixedEndpoints.set(key, found.entries)
        for (const instance of found.instances) {
          const services = selectedBy.get(instance)
          if (services === undefined) selectedBy.set(instance, [key])
          else services.push(key)
        }
      }
      for (const services of selectedBy.values()) if (services.length > 1) services.sort(compareText)
      return { selected, selectedBy, fixedEndpoints, findings: [] }
    }
  },
})

function indexAll<T, I>(byNamespace: ReadonlyMap<string, readonly T[]>, index: Remembered<[readonly T[]], I>): ReadonlyMap<string, I> {
  const indexOf = index.round()
  return new Map([...byNamespace].map(([namespace, all]) => [namespace, indexOf(namespace, all)]))
}

function indexInstances(instances: readonly Instance[]): LabelIndex<Instance> {
  return indexLabels(
    instances.toSorted((a, b) => compareText(a.key, b.key)),
    ({ labels }) => labels,
  )
}

/** Without names, which only a cluster of names can use. */
function indexEntries(objects: readonly WorkloadEntry[]): LabelIndex<FixedEndpoint> {
  const usable = objects.filter(({ spec: { address = '' } }) => isIP(address) !== 0)
  return indexLabels(
    // Istio selects by the labels of the spec; those of the object count too.
    usable.map(({ metadata, spec }) => fixedEndpointOf({ ...spec, labels: { ...metadata.labels, ...spec.labels } }, metadata)),
    ({ labels }) => labels,
  )
}

interface Selected {
  /** Keys, sorted. */
  readonly instances: readonly string[]
  readonly entries: readonly FixedEndpoint[]
}

function select(labels: Labels, instances: LabelIndex<Instance> | undefined, entries: LabelIndex<FixedEndpoint> | undefined): Selected {
  return { instances: instances?.select(labels).map(({ key }) => key) ?? [], entries: entries?.select(labels) ?? [] }
}
