// Where a pod stands in an object of Kubernetes: itself, or in the template of a workload. Pure. Called by kube-inject and `inject check`.
// Invariant: the workload named here is the one that the webhook later finds from the pod's controller (owner.ts).
import { isRecord } from '../api/record.ts'
import { described, type Workload } from './owner.ts'
import type { Json } from './pod.ts'

export interface PodTemplate {
  /** From the object to the pod; empty: the object is the pod. */
  readonly path: readonly (string | number)[]
  readonly value: Json
  /** Undefined: a pod by itself. */
  readonly workload: Workload | undefined
  readonly namespace: string | undefined
  /** `Deployment reviews`, for messages. */
  readonly title: string
}

const TEMPLATE = ['spec', 'template']
const PLACES: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: TEMPLATE,
  StatefulSet: TEMPLATE,
  DaemonSet: TEMPLATE,
  ReplicaSet: TEMPLATE,
  ReplicationController: TEMPLATE,
  Job: TEMPLATE,
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
}

export function podTemplatesOf(object: unknown): readonly PodTemplate[] {
  if (!isRecord(object)) return []
  if (object.kind === 'List' && Array.isArray(object.items)) {
    return object.items.flatMap((item, index) => podTemplatesOf(item).map((each) => ({ ...each, path: ['items', index, ...each.path] })))
  }
  const kind = String(object.kind)
  const path = Object.hasOwn(PLACES, kind) ? PLACES[kind] : undefined
  if (path === undefined) return []
  let value: unknown = object
  for (const part of path) value = isRecord(value) ? value[part] : undefined
  if (!isRecord(value)) return []
  const metadata = isRecord(object.metadata) ? object.metadata : {}
  const name = String(metadata.name ?? metadata.generateName ?? '')
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : undefined
  const workload = path.length === 0 ? undefined : described({ apiVersion: String(object.apiVersion), kind, name })
  return [{ path, value, workload, namespace, title: `${kind} ${name}` }]
}
