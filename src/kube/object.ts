// An object as the API server gives it: metadata checked, the rest untouched. Made by client.ts from every answer; read by informers' reducers.
// Invariant: apiVersion and kind are always there (the items of a list of Kubernetes' own kinds come without them).
import { isRecord } from '../api/record.ts'
import { apiVersionOf, type Resource } from './resource.ts'

export interface KubeOwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface KubeMetadata {
  readonly name: string
  /** Absent outside namespaces. */
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly generateName?: string
  readonly finalizers?: readonly string[]
  readonly ownerReferences?: readonly KubeOwnerReference[]
  readonly managedFields?: unknown
}

export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: KubeMetadata
  /** spec, status, data, ...: whatever the kind has. */
  readonly [field: string]: unknown
}

/** An object to be written: the client fills in apiVersion and kind. */
export interface KubeDraft {
  readonly metadata: Partial<KubeMetadata>
  readonly [field: string]: unknown
}

/** The value as an object of this resource, or undefined when it has no metadata (never so from a real API server). */
export function kubeObject(value: unknown, resource: Resource): KubeObject | undefined {
  if (!isRecord(value) || !isRecord(value.metadata)) return undefined
  // The API server validates metadata on every write; checking 15 fields of each of 100,000 objects again would buy nothing.
  const metadata = value.metadata as unknown as KubeMetadata
  const { apiVersion, kind } = value
  if (typeof apiVersion === 'string' && typeof kind === 'string') return { ...value, apiVersion, kind, metadata }
  return { ...value, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata }
}

/** `namespace/name`; `/name` outside namespaces: the keys of an informer. The same as api/object-meta.ts `keyOf`. */
export function keyOfObject(object: { readonly metadata: KubeMetadata }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`
}
