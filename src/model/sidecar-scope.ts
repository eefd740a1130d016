// What the sidecars of a namespace want to know of the mesh: a Sidecar object with names resolved. Built by compile/sidecars.ts, asked by
// xds/view when the scope of a proxy is made. A scope narrows what is visible and never widens it.
import type { TerminatedTls } from './gateway.ts'
import type { Destination } from './http-action.ts'
import type { Origin } from './origin.ts'
import type { Protocol } from './service.ts'
import type { ConnectionPool } from './traffic-policy.ts'

export interface SidecarScope {
  readonly namespace: string
  /** Undefined: every workload of the namespace; of the mesh when it is the root namespace's. */
  readonly workloadLabels: Readonly<Record<string, string>> | undefined
  /** Undefined: everything that is visible. */
  readonly imports: readonly Import[] | undefined
  /** What is not imported after all. */
  readonly exclusions: readonly HostPattern[]
  /** Undefined: as the mesh says. */
  readonly outboundTraffic: 'allow-any' | 'registry-only' | undefined
  /** What unknown destinations are reached through; undefined: nothing. */
  readonly egressProxy: (Destination & { readonly port: number }) | undefined
  /** What the sidecar opens for its application; undefined: the workload's ports. */
  readonly ingress: readonly IngressListener[] | undefined
  /** Limits towards the application, for ports that have none of their own. */
  readonly inboundPool: ConnectionPool | undefined
  readonly origin: Origin
}

export interface IngressListener {
  readonly port: number
  readonly name: string
  /** Of what is inside, where TLS is ended. */
  readonly protocol: Protocol
  /** Undefined: the same port. */
  readonly application: ApplicationAddress | undefined
  /** An address that the sidecar binds itself; undefined: connections are captured. */
  readonly bind: string | undefined
  /** TLS with certificates of the application's own; 'unusable': nobody is let in without the mesh's. */
  readonly tls: TerminatedTls | 'unusable' | undefined
  readonly pool: ConnectionPool | undefined
  /** `spec.ingress[0]`. */
  readonly field: string
}

/** 'instance': the workload's own address. */
export type ApplicationAddress =
  | { readonly kind: 'loopback'; readonly host: '127.0.0.1' | '::1'; readonly port: number }
  | { readonly kind: 'instance'; readonly port: number }
  | { readonly kind: 'socket'; readonly path: string }

/** One egress listener. */
export interface Import {
  /** Only this port of the services; undefined: the ports that no other import names. */
  readonly port: number | undefined
  readonly hosts: readonly HostPattern[]
}

export interface HostPattern {
  /** '*': any; undefined: none. */
  readonly namespace: string
  /** A name, `*`, or `*.suffix`. */
  readonly host: string
}
