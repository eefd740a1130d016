// A piece of a pod merged into another, as Kubernetes' strategic merge does it: mappings field by field, named lists by their key, other
// lists as a whole; null removes. For templates of the configuration and for a pod's own container of the proxy's name. Pure.
import { isRecord } from '../api/record.ts'
import type { Json } from './pod.ts'

/** List -> the field that says which entry is meant. */
const KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  ports: 'containerPort',
}

export function overlay<T extends Json>(base: T, piece: Json): T {
  const made: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(piece)) {
    if (value === null) delete made[key]
    else made[key] = merged(base[key], value, KEYS[key])
  }
  // The same fields, some with other values of the same shape: a piece is checked by the API server like the rest of the pod.
  return made as T
}

function merged(base: unknown, value: unknown, key: string | undefined): unknown {
  if (isRecord(base) && isRecord(value)) return overlay(base, value)
  if (key === undefined || !Array.isArray(base) || !Array.isArray(value)) return isRecord(value) ? overlay({}, value) : value
  const list: unknown[] = [...base]
  for (const each of value) {
    const at = list.findIndex((other) => isRecord(other) && isRecord(each) && other[key] === each[key])
    if (at < 0) list.push(each)
    else list[at] = merged(list[at], each, undefined)
  }
  return list
}
