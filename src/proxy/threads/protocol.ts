// What the main thread and a data thread say to each other: plain values only, because functions cannot cross threads.
// Spoken by data-thread.ts (main) and thread-host.ts (data thread). A question carries an id, and its answer the same.
// Invariant: messages of one direction arrive in order, so secrets posted before a configuration are known when it is applied.
import type { LogFields } from '../../base/log.ts'
import type { Problem } from '../../base/result.ts'
import type { Secret } from '../../envoy/generated/messages.gen.ts'
import type { KeyPair } from '../certs/secret-store.ts'
import type { ClusterStatus, ListenerProblem } from '../data-plane.ts'
import type { PeerLabels } from '../telemetry/outcome.ts'

/** What a thread is born with (workerData). */
export interface ThreadData {
  readonly index: number
  readonly threads: number
  readonly version: string
  readonly self: PeerLabels
  readonly nodeId: string
  /** This thread's share. */
  readonly maxDownstreamConnections: number | undefined
  /** This thread's share. */
  readonly connectionsByDescriptors?: number | undefined
  readonly allowUnsupported: boolean
  readonly secrets: ReadonlyMap<string, Secret> | undefined
  /** The level of overload, written by the main thread. */
  readonly overload?: SharedArrayBuffer | undefined
}

/** A resource as it was received; an id stands for the very same object for ever. */
export interface NumberedResource {
  readonly id: number
  readonly message: object
  readonly dropped: readonly Problem[] | undefined
}

export type NamedIds = readonly (readonly [name: string, id: number])[]

/** The resources that one cluster or listener is made of. */
export interface PartRecipe {
  readonly listeners: NamedIds
  readonly clusters: NamedIds
  readonly routes: NamedIds
  readonly endpoints: NamedIds
  readonly virtualHosts: NamedIds
}

export interface ConfigUpdate {
  /** Everything that is in force, in order. */
  readonly parts: readonly PartRecipe[]
  /** Resources that this thread does not hold yet. What no part names any more, it forgets. */
  readonly resources: readonly NumberedResource[]
  /** Shared counters of clusters that are new to this thread. */
  readonly loads: readonly (readonly [cluster: string, cells: SharedArrayBuffer])[]
}

export interface SecretValues {
  readonly pairs: readonly (readonly [key: string, pair: KeyPair | undefined])[]
  readonly roots: readonly (readonly [key: string, pem: string | undefined])[]
}

export interface FamilySnapshot {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly (readonly [suffix: string, labels: string, value: number])[]
}

export interface ThreadSnapshot {
  readonly families: readonly FamilySnapshot[]
  readonly clusters: readonly ClusterStatus[]
  readonly connections: number
  readonly requests: number
}

export type Question =
  | { readonly kind: 'apply'; readonly update: ConfigUpdate }
  | { readonly kind: 'drain'; readonly graceMs: number; readonly leastMs: number }
  | { readonly kind: 'snapshot' }
  /** Cut everything, write what is logged, end. */
  | { readonly kind: 'close' }

export type ToThread =
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  | { readonly kind: 'secrets'; readonly values: SecretValues }
  /** Memory is scarce. */
  | { readonly kind: 'shrink' }
  | { readonly kind: 'written'; readonly id: number; readonly failure: string | undefined; readonly written: number }

export type Answer =
  | { readonly kind: 'applied'; readonly problems: readonly ListenerProblem[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'snapshot'; readonly snapshot: ThreadSnapshot }
  | { readonly kind: 'failed'; readonly problem: string }

export type FromThread =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string; readonly fields: LogFields }
  /** Lines for stdout or stderr, which the main thread alone writes to. */
  | { readonly kind: 'block'; readonly id: number; readonly fd: number; readonly block: Uint8Array }
