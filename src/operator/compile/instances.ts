// The running copies of workloads that the mesh knows: what the address plan has room for, with its LocalWorkload. First of the passes that
// are about workloads; the others ask for these and not for the plan.
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { AddressPlan, WorkloadAddresses } from '../../model/address-plan.ts'
import type { Instance } from './instance.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

export const instances = definePass({
  kinds: ['LocalWorkload'],
  reads: [],
  create: () => {
    const planned = new Remembered(entriesOf)
    const known = new Remembered(instanceOf)
    return ({ objects, addresses }) => {
      const instance = known.round()
      const made = new Map<string, Instance>()
      for (const [key, own] of planned.round()('', addresses)) {
        const object = objects.LocalWorkload.get(own.workload)
        if (object !== undefined) made.set(key, instance(key, key, object, own))
      }
      return { instances: made, findings: [] }
    }
  },
})

/** Of a new plan, what it says as before stays the same object. */
function entriesOf({ workloads }: AddressPlan): readonly (readonly [string, WorkloadAddresses])[] {
  return Object.entries(workloads)
}

function instanceOf(key: string, object: LocalWorkload, addresses: WorkloadAddresses): Instance {
  return { key, object, addresses }
}
