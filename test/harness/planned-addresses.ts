// What tests ask of an address plan, and entries of one for tests that put sidecars on ports of 127.0.0.1.
import type { AddressPlan, HostPort, WorkloadAddresses } from '../../src/model/address-plan.ts'

export function at(port: number): HostPort {
  return { host: '127.0.0.1', port }
}

/** Of workload `name` in namespace default: its HTTP proxy is there; a test adds what else it needs. */
export function plannedSidecar(name: string, httpProxy: number): WorkloadAddresses {
  const nowhere = at(0)
  return {
    workload: `default/${name}`,
    address: '127.0.0.1',
    admin: nowhere,
    health: nowhere,
    metrics: nowhere,
    httpProxy: at(httpProxy),
    inbound: [],
    outbound: [],
  }
}

/** All of `instance`, in namespace default. */
export function addressesIn({ workloads }: AddressPlan, instance: string): WorkloadAddresses {
  const found = workloads[`default/${instance}`]
  if (found === undefined) throw new Error(`no instance ${instance} among ${Object.keys(workloads)}`)
  return found
}

/** Where `instance` reaches a service: a virtual address of its own sidecar. */
export function outboundIn(plan: AddressPlan, instance: string, service: string, port: number): HostPort {
  const found = addressesIn(plan, instance).outbound.find((each) => each.service === `default/${service}` && each.port === port)
  if (found === undefined) throw new Error(`${instance} has no way to ${service}:${port}`)
  return found.listen
}

/** Where the sidecar of `instance` listens for its peers. */
export function inboundIn(plan: AddressPlan, instance: string): HostPort {
  const [first] = addressesIn(plan, instance).inbound
  if (first === undefined) throw new Error(`${instance} has no port`)
  return first.listen
}
