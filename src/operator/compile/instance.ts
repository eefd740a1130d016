// A running copy of a workload, as the passes about workloads know it, wherever it runs. Made by instances.ts, of a LocalWorkload
// (local-instance.ts) or of a pod (pod-instance.ts).
// Invariant: nothing behind this asks what kind of object a copy comes from.
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import type { Origin } from '../../model/origin.ts'
import type { Locality } from '../../model/service.ts'

export interface Instance {
  /** `namespace/name`: of a pod, or of one of a LocalWorkload's replicas. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  /** Of what it is a copy: the name of a Deployment, for instance. */
  readonly workloadName: string
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  /** At least one; the first is the one that it is known by. */
  readonly addresses: readonly string[]
  /** Those that it declares: services mean them by name. */
  readonly ports: readonly InstancePort[]
  /** Whether Services may mean ports that are not declared, and ports that none means are left alone (Kubernetes), or not. */
  readonly hasUndeclaredPorts: boolean
  readonly locality: Locality
  readonly hasProxy: boolean
  /** Its proxy is a gateway. */
  readonly isGateway: boolean
  /** Ports whose connections do not go through the proxy. */
  readonly uncaptured: PortSet
  /** A pod with a proxy that nothing is redirected to: its applications use it as an HTTP proxy. */
  readonly usesHttpProxy?: boolean
  readonly isTerminating: boolean
  /** Of a standalone mesh: where everything listens. */
  readonly plan: WorkloadAddresses | undefined
  readonly origin: Origin
}

export interface InstancePort {
  readonly name: string
  readonly number: number
}

/** 'only': these; 'except': all others. */
export interface PortSet {
  readonly kind: 'only' | 'except'
  readonly ports: readonly number[]
}

export const NO_PORTS: PortSet = { kind: 'only', ports: [] }

export function hasPort({ kind, ports }: PortSet, number: number): boolean {
  return ports.includes(number) === (kind === 'only')
}
