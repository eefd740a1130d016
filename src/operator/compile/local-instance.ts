// A copy of a LocalWorkload as an instance. Called by instances.ts.
import type { LocalWorkload } from '../../api/generated/local-workload.gen.ts'
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import { localityOfLabels } from '../../model/service.ts'
import { type Instance, NO_PORTS } from './instance.ts'
import { originOf } from './mesh-draft.ts'

export function localInstance(key: string, object: LocalWorkload, plan: WorkloadAddresses): Instance {
  const { labels, namespace } = object.metadata
  const name = key.slice(namespace.length + 1)
  return {
    ...{ key, namespace, name, labels, plan },
    // Replicas are told apart in metrics: there is no name for all of them that is not one of theirs.
    workloadName: name,
    serviceAccount: object.spec.serviceAccount ?? 'default',
    addresses: [plan.address],
    ports: (object.spec.ports ?? []).map(({ name = '', containerPort }) => ({ name, number: containerPort })),
    hasUndeclaredPorts: false,
    locality: localityOfLabels(labels),
    hasProxy: true,
    isGateway: object.spec.gateway === true,
    uncaptured: NO_PORTS,
    isTerminating: false,
    origin: originOf(object),
  }
}
