// A running copy of a workload, as the passes about workloads know it. Made by instances.ts.
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { WorkloadAddresses } from '../../model/address-plan.ts'

export interface Instance {
  /** `namespace/name`: a LocalWorkload with replicas has several. */
  readonly key: string
  readonly object: LocalWorkload
  readonly addresses: WorkloadAddresses
}
