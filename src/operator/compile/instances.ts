// The running copies of workloads that the mesh knows: what the address plan has room for, with its LocalWorkload, and the pods that have an
// address. First of the passes that are about workloads; the others ask for these and for nothing that they are made of.
import type { AddressPlan, WorkloadAddresses } from '../../model/address-plan.ts'
import type { Instance } from './instance.ts'
import { localInstance } from './local-instance.ts'
import { localityOfNode } from './node-locality.ts'
import { definePass } from './pass.ts'
import { podInstance } from './pod-instance.ts'
import { Remembered } from './remembered.ts'

export const instances = definePass({
  kinds: ['LocalWorkload', 'Pod', 'Node'],
  reads: [],
  create: () => {
    const planned = new Remembered(entriesOf)
    const local = new Remembered(localInstance)
    const places = new Remembered(localityOfNode)
    const running = new Remembered(podInstance)
    return ({ objects, addresses }) => {
      const made = new Map<string, Instance>()
      const localOf = local.round()
      for (const [key, own] of planned.round()('', addresses)) {
        const object = objects.LocalWorkload.get(own.workload)
        if (object !== undefined) made.set(key, localOf(key, key, object, own))
      }
      const placeOf = places.round()
      const localities = new Map([...objects.Node.values()].map((node) => [node.metadata.name, placeOf(node.metadata.name, node)]))
      const podOf = running.round()
      for (const [key, pod] of objects.Pod) {
        const instance = podOf(key, pod, localities.get(pod.spec.nodeName ?? ''))
        if (instance !== undefined) made.set(key, instance)
      }
      return { instances: made, findings: [] }
    }
  },
})

/** Of a new plan, what it says as before stays the same object. */
function entriesOf({ workloads }: AddressPlan): readonly (readonly [string, WorkloadAddresses])[] {
  return Object.entries(workloads)
}
