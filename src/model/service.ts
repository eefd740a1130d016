// A name that clients call, and who answers. Built by compile/services.ts and compile/endpoints.ts.
// Endpoints are kept apart from the service: they change most often, and a change of them alone must touch nothing else.
import type { Origin } from './origin.ts'

export interface MeshService {
  /** `reviews.default.svc.cluster.local`. Unique in a snapshot. */
  readonly hostname: string
  readonly name: string
  readonly namespace: string
  readonly ports: readonly ServicePort[]
  /** Virtual addresses that clients may call instead of the name. */
  readonly addresses: readonly string[]
  /** 'endpoints': the mesh picks one of the endpoints; 'passthrough': the client picked the address itself (headless). */
  readonly resolution: 'endpoints' | 'passthrough'
  readonly origin: Origin
}

/** What a service is called, without what it is. */
export type ServiceName = Pick<MeshService, 'hostname' | 'name' | 'namespace'>

export interface ServicePort {
  readonly name: string
  readonly number: number
  /** The port of the workloads: a number, or the name of one of their ports. */
  readonly targetPort: number | string
  readonly protocol: Protocol
}

/** How the bytes of a port are read. Anything that is not HTTP is 'tcp' here: it is forwarded unread. */
export type Protocol = 'http' | 'http2' | 'tcp'

export function isHttp(protocol: Protocol): boolean {
  return protocol !== 'tcp'
}

/** Who answers for one service. One value per service, so that an unchanged service keeps its object. */
export interface ServiceEndpoints {
  readonly hostname: string
  /** The identities that a client of this service accepts, as SPIFFE URIs, sorted. */
  readonly identities: readonly string[]
  readonly ports: readonly PortEndpoints[]
}

export interface PortEndpoints {
  readonly port: number
  /** Sorted by workload, then address. */
  readonly endpoints: readonly Endpoint[]
}

export interface Endpoint {
  readonly host: string
  readonly port: number
  readonly health: 'healthy' | 'unhealthy' | 'draining'
  /** It has a sidecar that takes mutual TLS on this port. */
  readonly acceptsMutualTls: boolean
  /** What DestinationRule subsets select by. */
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  /** The words of metrics: who this is. */
  readonly workload: { readonly name: string; readonly namespace: string; readonly app: string; readonly version: string }
}

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export const NO_LOCALITY: Locality = { region: '', zone: '', subzone: '' }
