// A name that clients call, and who answers. Built by compile/services.ts, compile/service-entries.ts and compile/endpoints.ts.
// Endpoints are kept apart from the service: they change most often, and a change of them alone must touch nothing else.
import type { Origin } from './origin.ts'
import type { Visibility } from './visibility.ts'

export interface MeshService {
  /** `reviews.default.svc.cluster.local`, or any name of a ServiceEntry, with a wildcard too. */
  readonly hostname: string
  /** The object's name; of a ServiceEntry's host the host itself. */
  readonly name: string
  readonly namespace: string
  readonly ports: readonly ServicePort[]
  /** Virtual addresses or ranges that clients may call instead of the name. */
  readonly addresses: readonly string[]
  readonly resolution: Resolution
  /** Outside of the mesh: nobody there has an identity of the mesh, so there is no automatic mutual TLS. */
  readonly isExternal: boolean
  /** Families of addresses under which its endpoints are called, the preferred one first; undefined: whichever they have. */
  readonly families?: readonly AddressFamily[]
  /** Names under which clients of the cluster know it are short forms of the hostname too. */
  readonly hasShortNames: boolean
  /** Identities that its servers may have besides those of its endpoints. */
  readonly subjectAltNames: readonly string[]
  readonly visibility: Visibility
  readonly origin: Origin
}

/** 'endpoints': the mesh picks one of the endpoints; 'passthrough': the client picked the address itself (headless, NONE);
 *  'dns': endpoints are names of which all addresses are used; 'logical-dns': one name of which one address is used at a time. */
export type Resolution = 'endpoints' | 'passthrough' | 'dns' | 'logical-dns'

export type AddressFamily = 'IPv4' | 'IPv6'

export function familyOf(address: string): AddressFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4'
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

/** How the bytes of a port are read. 'tls': the application's own, of which only the server name is read; anything else that is not
 *  HTTP is 'tcp': it is forwarded unread. 'auto': nobody says, so the first bytes of each connection do. */
export type Protocol = 'http' | 'http2' | 'tls' | 'tcp' | 'auto'

export function isHttp(protocol: Protocol): boolean {
  return protocol === 'http' || protocol === 'http2'
}

/** Declared, or possibly seen: there are routes for it. */
export function mayBeHttp(protocol: Protocol): boolean {
  return isHttp(protocol) || protocol === 'auto'
}

/** Who answers for one service. One value per service, so that an unchanged service keeps its object. */
export interface ServiceEndpoints {
  readonly hostname: string
  /** The identities that a client of this service accepts, as SPIFFE URIs, sorted. */
  readonly identities: readonly string[]
  /** Every endpoint takes mutual TLS: where the client picks the address itself, this decides for all. */
  readonly allTakeMutualTls: boolean
  readonly ports: readonly PortEndpoints[]
}

export interface PortEndpoints {
  readonly port: number
  /** Sorted by workload, then address. */
  readonly endpoints: readonly Endpoint[]
}

export interface Endpoint {
  /** An address; with DNS a name too. */
  readonly host: string
  /** Under which it answers on the same port as well: its addresses of the other family. */
  readonly otherHosts?: readonly string[]
  readonly port: number
  /** 'draining': it is on its way out and still answers. What is under way goes on, and nothing new is begun while anybody is healthy. */
  readonly health: 'healthy' | 'unhealthy' | 'draining'
  /** It has a sidecar that takes mutual TLS on this port. */
  readonly acceptsMutualTls: boolean
  /** What DestinationRule subsets select by. */
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  /** Share of requests relative to other endpoints; at least 1. */
  readonly weight: number
  /** `namespace/name` of the workload behind it, by which its readiness is known; undefined: an object says that it answers. */
  readonly instance?: string
  /** The words of metrics: who this is. */
  readonly workload: { readonly name: string; readonly namespace: string; readonly app: string; readonly version: string }
}

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export const NO_LOCALITY: Locality = { region: '', zone: '', subzone: '' }

/** `region/zone/subzone`, shorter forms too. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/')
  return { region, zone, subzone }
}

/** Where something runs, as the labels under which rules ask for it (Kubernetes' and Istio's names). */
export function topologyLabels({ region, zone, subzone }: Locality, cluster: string): Readonly<Record<string, string>> {
  return {
    ...(region === '' ? {} : { 'topology.kubernetes.io/region': region }),
    ...(zone === '' ? {} : { 'topology.kubernetes.io/zone': zone }),
    ...(subzone === '' ? {} : { 'topology.istio.io/subzone': subzone }),
    'topology.istio.io/cluster': cluster,
  }
}

/** Of a workload that says itself where it is. A label's value has no slashes, so dots stand for them (Istio's rule). */
export function localityOfLabels(labels: Readonly<Record<string, string>>): Locality {
  const text = labels['topology.istio.io/locality'] ?? labels['istio-locality'] ?? ''
  return parseLocality(text.includes('/') ? text : text.replaceAll('.', '/'))
}
