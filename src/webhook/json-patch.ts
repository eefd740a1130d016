// The difference of two JSON values as an RFC 6902 patch: what an admission webhook answers. Pure. Lists whose entries have names
// (containers, volumes, variables) are compared by name, so that one more container is one `add` and not a rewritten list: other
// webhooks and people who read the audit log see what was done. Invariant: the patch applied to `before` gives exactly `after`.
import { isRecord } from '../api/record.ts'

export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

export function jsonPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  if (before === after) return []
  if (isRecord(before) && isRecord(after)) return objectPatch(before, after, path)
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path)
  return [{ op: 'replace', path, value: after }]
}

function objectPatch(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  path: string,
): readonly PatchOperation[] {
  const operations: PatchOperation[] = []
  for (const key of Object.keys(before)) {
    if (after[key] === undefined || !Object.hasOwn(after, key)) operations.push({ op: 'remove', path: `${path}/${escapeToken(key)}` })
  }
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue
    const at = `${path}/${escapeToken(key)}`
    if (Object.hasOwn(before, key) && before[key] !== undefined) operations.push(...jsonPatch(before[key], value, at))
    else operations.push({ op: 'add', path: at, value })
  }
  return operations
}

/** A step through both lists; indices are those of the list while it is being changed (RFC 6902 4: operations apply in sequence). */
function listPatch(before: readonly unknown[], after: readonly unknown[], path: string): readonly PatchOperation[] {
  const [old, fresh] = [before.map(keyOf), after.map(keyOf)]
  const common = longestCommon(old, fresh)
  const operations: PatchOperation[] = []
  let [from, to, index] = [0, 0, 0]
  while (from < before.length || to < after.length) {
    const left = common[from]?.[to] ?? 0
    if (from < before.length && to < after.length && old[from] === fresh[to] && left === (common[from + 1]?.[to + 1] ?? 0) + 1) {
      operations.push(...jsonPatch(before[from++], after[to++], `${path}/${index++}`))
    } else if (from < before.length && (common[from + 1]?.[to] ?? 0) === left) {
      operations.push({ op: 'remove', path: `${path}/${index}` })
      from++
    } else {
      operations.push({ op: 'add', path: `${path}/${index++}`, value: after[to++] })
    }
  }
  return operations
}

function keyOf(value: unknown): string {
  return isRecord(value) && typeof value.name === 'string' ? `name ${value.name}` : `value ${JSON.stringify(value)}`
}

/** Lengths of the longest common subsequences of all pairs of ends; lists of a pod are short. */
function longestCommon(left: readonly string[], right: readonly string[]): readonly (readonly number[])[] {
  const table = Array.from({ length: left.length + 1 }, () => Array.from({ length: right.length + 1 }, () => 0))
  for (let i = left.length - 1; i >= 0; i--) {
    const [row = [], below = []] = [table[i], table[i + 1]]
    for (let j = right.length - 1; j >= 0; j--) {
      row[j] = left[i] === right[j] ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0)
    }
  }
  return table
}

/** RFC 6901 3. */
function escapeToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}
