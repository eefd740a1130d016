// Selectors meet labels: which workloads and WorkloadEntries stand behind which service. Once for both sides: workloads.ts asks for the
// services of a workload, endpoints.ts for the workloads of a service. After aliases, before workloads.
import { isIP } from 'node:net'
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { WorkloadEntry } from '../../api/generated/workload-entry.gen.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import { indexLabels, type LabelIndex, type Labelled } from './label-index.ts'
import { compareText, type FixedEndpoint } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'
import { fixedEndpointOf } from './service-entries.ts'

interface Instance extends Labelled {
  /** `namespace/name` of the instance: a LocalWorkload with replicas has several. */
  readonly key: string
}

interface Entry extends Labelled {
  readonly endpoint: FixedEndpoint
}

export const selection = definePass({
  kinds: ['LocalWorkload', 'WorkloadEntry'],
  reads: ['services', 'selectors', 'fixedEndpoints'],
  create: () => {
    const indexedInstances = new Remembered(indexInstances)
    const indexedEntries = new Remembered(indexEntries)
    const selections = new Remembered(select)
    return ({ objects, draft, addresses }) => {
      const instances = indexedInstances.round()('', objects.LocalWorkload, addresses)
      const entries = indexedEntries.round()('', objects.WorkloadEntry)
      const selectFor = selections.round()
      const selected = new Map<string, readonly string[]>()
      const selectedBy = new Map<string, string[]>()
      const fixedEndpoints = new Map(draft.fixedEndpoints)
      for (const [key, selector] of draft.selectors) {
        const service = draft.services.get(key)
        if (service === undefined) continue
        const found = selectFor(key, selector, service.namespace, instances, entries)
        selected.set(key, found.instances)
        fixedEndpoints.set(key, found.entries)
        for (const instance of found.instances) {
          const services = selectedBy.get(instance)
          if (services === undefined) selectedBy.set(instance, [key])
          else services.push(key)
        }
      }
      return { selected, selectedBy, fixedEndpoints, findings: [] }
    }
  },
})

function indexInstances(objects: ReadonlyMap<string, LocalWorkload>, { workloads }: AddressPlan): LabelIndex<Instance> {
  const instances = Object.entries(workloads).flatMap(([key, { workload }]): readonly Instance[] => {
    const object = objects.get(workload)
    return object === undefined ? [] : [{ key, namespace: object.metadata.namespace, labels: object.metadata.labels }]
  })
  return indexLabels(instances.sort((a, b) => compareText(a.key, b.key)))
}

/** Istio selects by the labels of the spec; those of the object count too. */
function indexEntries(objects: ReadonlyMap<string, WorkloadEntry>): LabelIndex<Entry> {
  const usable = [...objects.values()].filter(({ spec: { address = '' } }) => isIP(address) !== 0)
  return indexLabels(
    usable.map(({ metadata, spec }) => {
      const labels = { ...metadata.labels, ...spec.labels }
      return { namespace: metadata.namespace, labels, endpoint: fixedEndpointOf({ ...spec, labels }, metadata) }
    }),
  )
}

interface Selected {
  readonly instances: readonly string[]
  readonly entries: readonly FixedEndpoint[]
}

function select(
  labels: Readonly<Record<string, string>>,
  namespace: string,
  instances: LabelIndex<Instance>,
  entries: LabelIndex<Entry>,
): Selected {
  return {
    instances: instances.select(labels, namespace).map(({ key }) => key),
    entries: entries.select(labels, namespace).map(({ endpoint }) => endpoint),
  }
}
