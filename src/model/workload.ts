// One running copy of an application, mostly behind its own proxy. Built by compile/workloads.ts from a LocalWorkload or a pod.
// Invariant: `denials` not empty means that nothing reaches the application; a policy that cannot be applied must not be skipped.
import type { HostPort } from './address-plan.ts'
import type { FieldOrigin, Origin } from './origin.ts'
import type { Locality, Protocol, ServiceName } from './service.ts'
import type { IngressListener } from './sidecar-scope.ts'
import type { ConnectionPool } from './traffic-policy.ts'

export interface Workload {
  readonly namespace: string
  /** Of this copy: a pod's name. */
  readonly name: string
  /** Of what it is a copy, in the words of metrics: a Deployment's name. */
  readonly workloadName: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  /** What peers see as its address. */
  readonly address: string
  /** Its addresses of the other family. */
  readonly otherAddresses?: readonly string[]
  /** Whether a proxy stands before it: nobody else speaks mutual TLS for it, or keeps out what policies forbid. */
  readonly hasProxy: boolean
  /** What its proxy is: a gateway, as the mesh knows and not as the proxy says. Only a gateway is served as one. */
  readonly isGateway?: true
  /** It is about to go: who is connected goes on, and nobody new comes. */
  readonly isTerminating?: true
  readonly ports: readonly WorkloadPort[]
  readonly locality: Locality
  readonly ready: boolean
  readonly capture: Capture
  /** What ports that are not listed above accept. */
  readonly otherPortsTls: ServerTls
  /** Those of them that accept something else, by number. */
  readonly otherPortLevels?: Readonly<Record<string, ServerTls>>
  readonly denials: readonly Denial[]
  readonly origin: Origin
}

export interface WorkloadPort {
  readonly name: string
  /** As peers and Services know it. */
  readonly number: number
  readonly protocol: Protocol
  readonly tls: ServerTls
  /** Its connections are not captured, so the application itself takes them. */
  readonly bypassesProxy?: true
  /** The services whose requests arrive here, sorted by hostname. */
  readonly services: readonly ServiceName[]
  /** What a Sidecar says of it. */
  readonly ingress?: IngressListener
  /** Limits towards the application. */
  readonly pool?: ConnectionPool
}

export interface ServerTls {
  readonly mode: 'strict' | 'permissive' | 'disable'
  /** The policy that says so; undefined: the default. */
  readonly because: FieldOrigin | undefined
}

/** All requests are refused: a security policy selects this workload that the mesh cannot apply. */
export interface Denial {
  readonly policy: Origin
  readonly reason: string
}

/** How traffic gets into the proxy. */
export type Capture = RedirectCapture | BindCapture

/** The kernel redirects every connection to two ports of the proxy, which asks for the original destination (iptables). */
export interface RedirectCapture {
  readonly kind: 'redirect'
  readonly outboundPort: number
  readonly inboundPort: number
}

/** The proxy listens on an address of its own for each destination (standalone: no root, no iptables). */
export interface BindCapture {
  readonly kind: 'bind'
  readonly inbound: readonly { readonly port: number; readonly listen: HostPort; readonly application: HostPort }[]
  readonly outbound: readonly BoundServicePort[]
  /** Absolute-form requests for any service by name (HTTP_PROXY); undefined: the address plan had no room for it. */
  readonly httpProxy: HostPort | undefined
}

export interface BoundServicePort {
  readonly hostname: string
  readonly port: number
  readonly listen: HostPort
}

export function tlsOfPort({ ports, otherPortLevels, otherPortsTls }: Workload, number: number): ServerTls {
  return ports.find((port) => port.number === number)?.tls ?? otherPortLevels?.[String(number)] ?? otherPortsTls
}

/** A pod without capture: its applications name the proxy (HTTP_PROXY), and what comes in does not pass it. */
export const EXPLICIT_PROXY: BindCapture = { kind: 'bind', inbound: [], outbound: [], httpProxy: { host: '127.0.0.1', port: 15001 } }

export const ISTIO_REDIRECT: RedirectCapture = { kind: 'redirect', outboundPort: 15001, inboundPort: 15006 }

export function workloadKey(workload: { readonly namespace: string; readonly name: string }): string {
  return `${workload.namespace}/${workload.name}`
}
