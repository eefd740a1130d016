// Applies an RFC 6902 patch (add, replace, remove), strictly: a path that does not exist is an error, as it is for the API server.
import assert from 'node:assert/strict'
import type { PatchOperation } from './json-patch.ts'

export function applyPatch(document: unknown, patch: readonly PatchOperation[]): unknown {
  return patch.reduce((value, operation) => {
    const tokens = operation.path
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    return change(value, tokens, operation)
  }, structuredClone(document))
}

function change(value: unknown, [token, ...rest]: readonly string[], operation: PatchOperation): unknown {
  if (token === undefined) {
    assert.notEqual(operation.op, 'remove')
    return 'value' in operation ? operation.value : undefined
  }
  if (Array.isArray(value)) return changeList(value, token, rest, operation)
  assert.ok(typeof value === 'object' && value !== null, `${operation.path} leads into no container`)
  const copy: Record<string, unknown> = { ...value }
  const exists = Object.hasOwn(copy, token)
  assert.ok(exists || (operation.op === 'add' && rest.length === 0), `${operation.path} does not exist`)
  if (rest.length === 0 && operation.op === 'remove') delete copy[token]
  else copy[token] = change(copy[token], rest, operation)
  return copy
}

function changeList(list: readonly unknown[], token: string, rest: readonly string[], operation: PatchOperation): unknown {
  const index = token === '-' ? list.length : Number(token)
  assert.ok(Number.isInteger(index) && index >= 0, `${operation.path}: '${token}' is no index`)
  if (rest.length === 0 && operation.op === 'add') {
    assert.ok(index <= list.length, `${operation.path} is beyond the end`)
    return list.toSpliced(index, 0, operation.value)
  }
  assert.ok(index < list.length, `${operation.path} does not exist`)
  if (rest.length === 0 && operation.op === 'remove') return list.toSpliced(index, 1)
  return list.with(index, change(list[index], rest, operation))
}
