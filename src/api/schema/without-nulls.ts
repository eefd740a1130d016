// A field that is null is a field that is not set: the API server drops it before it checks anything, and so do we, or 'timeout:' with
// nothing behind it would mean one thing in a file and another in a cluster. Nulls in lists stay (and are refused), as do those in
// free-form values, where they mean something to whoever reads them.
import { isRecord } from '../record.ts'
import { ownProperty } from './check.ts'
import type { SchemaNode } from './schema-node.ts'

/** The value itself when there is nothing to drop. */
export function withoutNulls(value: unknown, schema: SchemaNode): unknown {
  const { items } = schema
  if (Array.isArray(value) && items !== undefined) {
    const made = value.map((item) => withoutNulls(item, items))
    return made.every((item, index) => item === value[index]) ? value : made
  }
  if (!isRecord(value)) return value
  const entries = Object.entries(value)
  const kept = entries.flatMap(([field, inner]): [string, unknown][] => {
    const child = ownProperty(schema.properties, field) ?? schema.values
    if (child === undefined) return [[field, inner]]
    return inner === null && child.nullable !== true ? [] : [[field, withoutNulls(inner, child)]]
  })
  const same = kept.length === entries.length && kept.every(([field, inner]) => inner === value[field])
  return same ? value : Object.fromEntries(kept)
}
