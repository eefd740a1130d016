// Checks and completes an object's metadata, the same for every kind. Called by check-object.ts.

import type { ObjectMeta, OwnerReference } from './object-meta.ts'
import { isRecord } from './record.ts'
import type { Report } from './report.ts'

const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

/** Annotations that only the control plane itself writes, or that exist to be refused. */
const RESERVED_ANNOTATIONS = ['internal.istio.io/webhook-always-reject', 'internal.istio.io/parents', 'internal.istio.io/parent-namespace']

/** The metadata of `value`, as far as it is readable; every problem is reported. */
export function readMetadata(value: unknown, namespaced: boolean, defaultNamespace: string, report: Report): ObjectMeta {
  const metadata = isRecord(value) ? value : {}
  if (!isRecord(value)) report('LTN0111', ['metadata'], { field: 'metadata' })
  const name = textOf(metadata.name)
  const namespace = namespaced ? textOf(metadata.namespace) || defaultNamespace : ''
  if (isRecord(value) && name === '') report('LTN0111', ['metadata', 'name'], { field: 'metadata.name' })
  if (name !== '' && !DNS_NAME.test(name)) report('LTN0109', ['metadata', 'name'], { problem: `'${name}' is not a valid name` })
  if (namespace !== '' && !DNS_LABEL.test(namespace)) {
    report('LTN0109', ['metadata', 'namespace'], { problem: `'${namespace}' is not a valid namespace` })
  }
  const labels = stringMap(metadata.labels, 'labels', report)
  const annotations = stringMap(metadata.annotations, 'annotations', report)
  for (const reserved of RESERVED_ANNOTATIONS) {
    if (reserved in annotations) {
      report('LTN0109', ['metadata', 'annotations', reserved], { problem: `the annotation '${reserved}' may not be set by users` })
    }
  }
  return { name, namespace, labels, annotations, ...serverFields(metadata) }
}

/** What the API server wrote; taken as it is. */
function serverFields(metadata: Readonly<Record<string, unknown>>): Partial<ObjectMeta> {
  const { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, ownerReferences } = metadata
  return {
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    ...(typeof generation === 'number' ? { generation } : {}),
    ...(typeof creationTimestamp === 'string' ? { creationTimestamp } : {}),
    ...(typeof deletionTimestamp === 'string' ? { deletionTimestamp } : {}),
    ...(Array.isArray(ownerReferences) ? { ownerReferences: ownerReferences.filter(isOwnerReference) } : {}),
  }
}

function isOwnerReference(value: unknown): value is OwnerReference {
  return isRecord(value) && ['apiVersion', 'kind', 'name', 'uid'].every((field) => typeof value[field] === 'string')
}

function stringMap(value: unknown, field: string, report: Report): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) {
    report('LTN0112', ['metadata', field], { expected: 'a mapping', found: 'something else' })
    return {}
  }
  const made: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    if (typeof text === 'string') made[key] = text
    else
      report('LTN0112', ['metadata', field, key], { expected: `a string (write "${String(text)}" in quotes)`, found: `a ${typeof text}` })
  }
  return made
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

export function isDnsLabel(text: string): boolean {
  return DNS_LABEL.test(text)
}
