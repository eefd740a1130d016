// The three kinds of patch as an API server applies them, for the fake one. Called by api-server-store.fixture.ts.
// Less than Kubernetes: server-side apply owns leaves (lists are leaves too, not merged by key).
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../api/record.ts'

export type Json = Readonly<Record<string, unknown>>

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const made: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete made[key]
    else made[key] = mergePatch(made[key], value)
  }
  return made
}

/** RFC 6902: add, replace, remove and test; undefined when an operation does not fit. */
export function jsonPatch(target: Json, operations: readonly unknown[]): Json | undefined {
  let made: unknown = structuredClone(target)
  for (const operation of operations) {
    if (!isRecord(operation) || typeof operation.path !== 'string') return undefined
    const path = operation.path
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const result = applyOperation(made, path, operation)
    if (result === undefined) return undefined
    made = result.value
  }
  return isRecord(made) ? made : undefined
}

function applyOperation(node: unknown, path: readonly string[], operation: Json): { readonly value: unknown } | undefined {
  const [head, ...rest] = path
  if (head === undefined) {
    if (operation.op === 'test') return isDeepStrictEqual(node, operation.value) ? { value: node } : undefined
    return { value: operation.value }
  }
  if (Array.isArray(node)) return applyToList(node, head, rest, operation)
  if (!isRecord(node)) return undefined
  const exists = Object.hasOwn(node, head)
  if (!exists && (rest.length > 0 || operation.op !== 'add')) return undefined
  if (rest.length === 0 && operation.op === 'remove') {
    const { [head]: _removed, ...others } = node
    return { value: others }
  }
  const inner = applyOperation(node[head], rest, operation)
  return inner === undefined ? undefined : { value: { ...node, [head]: inner.value } }
}

function applyToList(
  node: readonly unknown[],
  head: string,
  rest: readonly string[],
  operation: Json,
): { readonly value: unknown } | undefined {
  const index = head === '-' ? node.length : Number(head)
  if (rest.length === 0 && operation.op === 'add') return { value: node.toSpliced(index, 0, operation.value) }
  if (index >= node.length) return undefined
  if (rest.length === 0 && operation.op === 'remove') return { value: node.toSpliced(index, 1) }
  const inner = applyOperation(node[index], rest, operation)
  return inner === undefined ? undefined : { value: node.with(index, inner.value) }
}

/** Leaf path (JSON pointer) -> the manager that set it. */
export type Owners = Map<string, string>

/** Server-side apply: takes the leaves of `applied`, gives up those that the manager set before and no longer names. */
export function applyPatch(
  target: Json,
  applied: Json,
  owners: Owners,
  manager: string,
  force: boolean,
): { readonly object: Json } | { readonly conflicts: readonly string[] } {
  const wanted = leaves(applied)
  const present = leaves(target)
  const conflicts = [...wanted].filter(([path, value]) => {
    const owner = owners.get(path)
    return owner !== undefined && owner !== manager && !isDeepStrictEqual(present.get(path), value)
  })
  if (conflicts.length > 0 && !force) return { conflicts: conflicts.map(([path]) => `conflict with "${owners.get(path)}": ${path}`) }
  let object: Json = target
  for (const [path, owner] of [...owners]) {
    if (owner !== manager || wanted.has(path)) continue
    owners.delete(path)
    object = jsonPatch(object, [{ op: 'remove', path }]) ?? object
  }
  for (const path of wanted.keys()) owners.set(path, manager)
  const merged = mergePatch(object, applied)
  return { object: isRecord(merged) ? merged : target }
}

/** What a plain write changed becomes its manager's. */
export function own(before: Json, after: Json, owners: Owners, manager: string): void {
  const old = leaves(before)
  for (const [path, value] of leaves(after)) if (!isDeepStrictEqual(old.get(path), value)) owners.set(path, manager)
}

const NOT_OWNED = new Set(['apiVersion', 'kind'])
const OWNED_METADATA = new Set(['labels', 'annotations'])

function leaves(object: Json): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const walk = (value: unknown, path: string): void => {
    if (isRecord(value) && Object.keys(value).length > 0) {
      for (const [key, inner] of Object.entries(value)) walk(inner, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    } else found.set(path, value)
  }
  for (const [key, value] of Object.entries(object)) {
    if (NOT_OWNED.has(key)) continue
    if (key !== 'metadata') walk(value, `/${key}`)
    else if (isRecord(value)) for (const part of OWNED_METADATA) if (part in value) walk(value[part], `/metadata/${part}`)
  }
  return found
}
