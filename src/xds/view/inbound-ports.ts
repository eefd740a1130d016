// A workload's ports as its Sidecar has them: the listeners that it lists, instead of the workload's own, and limits. Called by viewFor.
// Invariant: what a port accepts is what PeerAuthentication says of it, whether the workload declares the port or not.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import { tlsOfPort, type Workload, type WorkloadPort } from '../../model/workload.ts'

const made = createWeakMemo<Workload>()

/** The same object for the same two, so that what is made from it is made once. */
export function withInboundPorts(workload: Workload, sidecar: SidecarScope | undefined): Workload {
  if (sidecar === undefined || (sidecar.ingress === undefined && sidecar.inboundPool === undefined)) return workload
  return made([workload, sidecar], () => ({ ...workload, ports: portsOf(workload, sidecar) }))
}

function portsOf(workload: Workload, { ingress, inboundPool }: SidecarScope): readonly WorkloadPort[] {
  const limits = inboundPool === undefined ? {} : { pool: inboundPool }
  if (ingress === undefined) return workload.ports.map((port) => ({ ...port, ...limits }))
  return ingress.map((listener): WorkloadPort => {
    const { port: number, name, protocol, pool } = listener
    const services = workload.ports.find((port) => port.number === number)?.services ?? []
    const tls = tlsOfPort(workload, number)
    return { name, number, protocol, tls, services, ingress: listener, ...(pool === undefined ? limits : { pool }) }
  })
}
