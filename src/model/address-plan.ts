// Where everything of a standalone mesh listens on one machine. Written by standalone/address-plan.ts (pure), persisted in the state
// folder, read by compile (endpoints, listener addresses), the proxies' bootstrap and the applications' environment.
// Plain JSON values, so that it goes to disk, over a socket and into a worker as it is.
// Keys are `<namespace>/<name>` of the Service, or of the instance: a LocalWorkload with replicas has the instances `reviews-v1`,
// `reviews-v1-2`, `reviews-v1-3`; `workload` names the LocalWorkload.

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface AddressPlan {
  readonly strategy: 'loopback' | 'ports'
  readonly workloads: Readonly<Record<string, WorkloadAddresses>>
}

export interface WorkloadAddresses {
  /** `<namespace>/<name>` of the LocalWorkload of which this is an instance. */
  readonly workload: string
  /** The 'pod IP': what peers see as this workload's address. Unique per workload with 'loopback', 127.0.0.1 for all with 'ports'. */
  readonly address: string
  /** The sidecar's own ports. */
  readonly admin: HostPort
  readonly health: HostPort
  readonly metrics: HostPort
  /** An HTTP proxy (absolute-form requests) for applications that call by name: HTTP_PROXY points here. */
  readonly httpProxy: HostPort
  readonly inbound: readonly InboundAddress[]
  readonly outbound: readonly OutboundAddress[]
}

/** One container port: the sidecar listens on `listen` (this is the endpoint's address for peers) and forwards to `application`. */
export interface InboundAddress {
  readonly name: string
  readonly containerPort: number
  readonly listen: HostPort
  readonly application: HostPort
}

/** One port of one service, as this workload calls it: its sidecar listens on `listen`, a virtual address of this workload alone. */
export interface OutboundAddress {
  readonly service: string
  readonly port: number
  readonly listen: HostPort
  /** Published for people and browsers (LocalWorkload spec.publish): any Host header is meant for this service. */
  readonly published: boolean
}
