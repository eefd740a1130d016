// A pod as injection sees it: the fields it reads have types, everything else is carried along untouched. Read from an admission request
// (the API server has decoded it, but not validated it: that comes after us) or from a file (anything may be in it).
// Invariant: what `readPod` accepts can be injected without looking at types again; injection never changes a pod in place.
import { isRecord } from '../api/record.ts'
import { type Problem, type Result, succeed } from '../base/result.ts'

export type Json = Readonly<Record<string, unknown>>
export type Texts = Readonly<Record<string, string>>

export interface EnvVar extends Json {
  readonly name: string
  readonly value?: string
}

export interface ContainerPort extends Json {
  readonly containerPort: number
  readonly name?: string
  readonly protocol?: string
}

export interface Container extends Json {
  readonly name: string
  readonly image?: string
  readonly ports?: readonly ContainerPort[]
  readonly env?: readonly EnvVar[]
  readonly volumeMounts?: readonly Json[]
  readonly lifecycle?: Json
  readonly securityContext?: Json
  readonly restartPolicy?: string
}

export interface Volume extends Json {
  readonly name: string
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

export interface PodMeta extends Json {
  readonly name?: string
  readonly generateName?: string
  readonly namespace?: string
  readonly labels?: Texts
  readonly annotations?: Texts
  readonly ownerReferences?: readonly Json[]
}

export interface PodSpec extends Json {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly volumes?: readonly Volume[]
  readonly imagePullSecrets?: readonly Json[]
  readonly hostNetwork?: boolean
  readonly securityContext?: Json
  readonly serviceAccountName?: string
}

export interface Pod extends Json {
  readonly metadata: PodMeta
  readonly spec: PodSpec
}

/** Names that a pod cannot have twice, and the shapes that injection relies on. `null` is what the API server writes for nothing. */
export function readPod(value: unknown): Result<Pod> {
  const problems: Problem[] = []
  const wrong = (path: string, message: string): void => void problems.push({ path, message })
  const pod = record(value, '', wrong)
  const metadata = record(pod.metadata, 'metadata', wrong)
  const spec = record(pod.spec, 'spec', wrong)
  texts(metadata.labels, 'metadata.labels', wrong)
  texts(metadata.annotations, 'metadata.annotations', wrong)
  list(metadata.ownerReferences, 'metadata.ownerReferences', wrong)
  named(spec.volumes, 'spec.volumes', wrong)
  list(spec.imagePullSecrets, 'spec.imagePullSecrets', wrong)
  for (const field of ['containers', 'initContainers']) {
    for (const [index, container] of named(spec[field], `spec.${field}`, wrong).entries())
      checkContainer(container, `spec.${field}[${index}]`, wrong)
  }
  if (problems.length > 0) return { ok: false, problems }
  const clean = withoutNulls(pod)
  const made: Json = { ...clean, metadata: clean.metadata ?? {}, spec: { containers: [], ...(isRecord(clean.spec) ? clean.spec : {}) } }
  // Checked above, field by field; what is not checked has no type but unknown.
  return succeed(made as Pod)
}

type Wrong = (path: string, message: string) => void

function checkContainer(container: Json, at: string, wrong: Wrong): void {
  named(container.env, `${at}.env`, wrong)
  list(container.volumeMounts, `${at}.volumeMounts`, wrong)
  for (const [index, port] of list(container.ports, `${at}.ports`, wrong).entries()) {
    if (typeof port.containerPort !== 'number') wrong(`${at}.ports[${index}].containerPort`, 'must be a number')
  }
  for (const field of ['lifecycle', 'securityContext', 'livenessProbe', 'readinessProbe', 'startupProbe'])
    record(container[field], `${at}.${field}`, wrong)
}

function record(value: unknown, path: string, wrong: Wrong): Json {
  if (isRecord(value)) return value
  if (value !== undefined && value !== null) wrong(path, 'must be a mapping')
  return {}
}

function list(value: unknown, path: string, wrong: Wrong): readonly Json[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value) && value.every(isRecord)) return value
  wrong(path, 'must be a list of mappings')
  return []
}

function named(value: unknown, path: string, wrong: Wrong): readonly Json[] {
  const entries = list(value, path, wrong)
  entries.forEach((entry, index) => {
    if (typeof entry.name !== 'string' || entry.name === '') wrong(`${path}[${index}].name`, 'is missing')
  })
  return entries
}

function texts(value: unknown, path: string, wrong: Wrong): void {
  for (const [key, each] of Object.entries(record(value, path, wrong))) {
    if (typeof each !== 'string') wrong(`${path}.${key}`, `must be text: put quotes around ${JSON.stringify(each)}`)
  }
}

function withoutNulls(value: Json): Record<string, unknown> {
  const drop = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(drop)
    if (!isRecord(each)) return each
    return Object.fromEntries(Object.entries(each).flatMap(([key, inner]) => (inner === null ? [] : [[key, drop(inner)]])))
  }
  const { metadata, ...rest } = value
  // creationTimestamp: null and the like; nothing is lost, and the patch is computed from the pod as it came.
  return { ...Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, drop(each)])), metadata: drop(metadata) ?? {} }
}
