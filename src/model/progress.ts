// How far an object has come: how many proxies it concerns, how many of them run its newest generation, and who does not. Made by every
// replica for the proxies that are connected to it (xds/serve/digest.ts), added up by the leader, written as status by operator/status.
// Invariant: comparable between replicas: nothing here counts rounds of one process; an object is named with its uid and generation.

/** `VirtualService default/reviews`: as formatRef of api/object-meta.ts writes it. */
export type ObjectKey = string

export interface ObjectProgress {
  readonly object: ObjectKey
  /** Empty and 0 where objects have none (files). */
  readonly uid: string
  readonly generation: number
  /** Connected proxies whose configuration contains something of the object, or is shaped by it. */
  readonly concerned: number
  /** Those of them that have taken everything that its newest generation changed for them. */
  readonly programmed: number
  /** The first few of the others. */
  readonly lagging: readonly LaggingProxy[]
  /** Proxies that it concerned, whose workloads are still there, and that are not connected any more. */
  readonly absent: number
  readonly absentProxies: readonly LaggingProxy[]
}

export interface LaggingProxy {
  /** `namespace/name`. */
  readonly proxy: string
  /** 'unanswered': was sent something and has not answered, or is not ready for it. 'unknown': whoever served it reports no more. */
  readonly why: 'unanswered' | 'rejected' | 'gone' | 'unknown'
  readonly sinceMs: number
  /** What the proxy said, when it rejected. */
  readonly message?: string
}

/** Of all replicas. */
export interface ObjectTotal {
  /** Absent ones and those of which nothing is known any more included. */
  readonly concerned: number
  readonly programmed: number
  /** The first few of the others, by name. */
  readonly lagging: readonly LaggingProxy[]
  /** Replicas that do not have this generation yet. */
  readonly outdated: readonly string[]
}

/** One connected proxy, as its replica sees it. */
export interface ProxyReport {
  /** `namespace/name`. */
  readonly proxy: string
  readonly node: string
  /** Its program's; empty when it does not say. */
  readonly version: string
  readonly connectedSinceMs: number
  readonly state: 'synced' | 'waiting' | 'rejected'
  /** Of the state. */
  readonly sinceMs: number
  readonly rejection?: {
    readonly type: string
    readonly message: string
    readonly resources: readonly string[]
    /** Objects that the refused resources came from; empty when they do not say. */
    readonly objects: readonly ObjectKey[]
  }
}

/** Names that are given with a count: more of them nobody reads. */
export const MAX_NAMED = 5
