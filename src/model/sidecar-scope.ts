// What the sidecars of a namespace want to know of the mesh: a Sidecar object with names resolved. Built by compile/sidecars.ts, asked by
// xds/view when the scope of a proxy is made. A scope narrows what is visible and never widens it.
import type { Origin } from './origin.ts'

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
  readonly origin: Origin
}

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
