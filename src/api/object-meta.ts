// What every API object has in common, whatever its kind. Used by everything that reads objects.
// Invariant: an object that passed `read-yaml.ts` has a namespace when its kind is namespaced, and always a spec.

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
}

export interface ObjectMeta {
  readonly name: string
  /** Empty for kinds that live outside namespaces. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  /** RFC 3339. Oldest wins conflicts; from a directory it is absent unless the file says it. */
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly ownerReferences?: readonly OwnerReference[]
}

/** A place in a text: line and column count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Where an object was read: its first line, and which document of the file it is. */
export interface ObjectSource extends Position {
  readonly document: number
  /** Index within a List document. */
  readonly item?: number
}

export interface ApiObject<Kind extends string = string, Spec = unknown> {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly spec: Spec
  readonly status?: unknown
  readonly source?: ObjectSource
  /** A security object with errors: its spec is at most a selector, and the workloads that it selects must deny. */
  readonly unreadable?: true
}

/** What a message needs in order to name an object. */
export interface ObjectRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export function refOf(object: ApiObject): ObjectRef {
  return { kind: object.kind, namespace: object.metadata.namespace, name: object.metadata.name }
}

/** `VirtualService default/reviews`, or `Namespace default` outside namespaces. */
export function formatRef(ref: ObjectRef): string {
  return ref.namespace === '' ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`
}

/** `namespace/name`: the key under which KubeState holds an object of a kind. */
export function keyOf(object: { readonly metadata: { readonly namespace: string; readonly name: string } }): string {
  return `${object.metadata.namespace}/${object.metadata.name}`
}
