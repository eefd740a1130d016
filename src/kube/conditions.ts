// The conditions of an object's status: ours put among those of others. Called by status-writer.ts. Pure.
// Invariant: lastTransitionTime moves only when a condition's status does (Kubernetes API conventions, "typical status properties").
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../api/record.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  /** metadata.generation of what was judged. */
  readonly observedGeneration?: number
}

export interface DesiredStatus {
  /** Every condition type that we own on this object: one of `owned` that is not in `conditions` is taken away. */
  readonly conditions: readonly Condition[]
  readonly owned?: readonly string[]
  /** Further fields of the status, each replaced as a whole: observedGeneration, validationMessages. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** The merge patch that makes the present status the desired one, or undefined when it is. */
export function statusPatch(present: unknown, desired: DesiredStatus, nowMs: number): Readonly<Record<string, unknown>> | undefined {
  const status = isRecord(present) ? present : {}
  const before = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : []
  const ours = new Set([...(desired.owned ?? []), ...desired.conditions.map(({ type }) => type)])
  const made = desired.conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type)
    const kept = old?.status === condition.status && typeof old.lastTransitionTime === 'string' ? old.lastTransitionTime : undefined
    return { ...condition, lastTransitionTime: kept ?? new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z') }
  })
  const conditions = [...before.filter(({ type }) => !ours.has(String(type))), ...made]
  const fields = Object.entries(desired.fields ?? {}).filter(([name, value]) => !isDeepStrictEqual(status[name], value))
  if (fields.length === 0 && isDeepStrictEqual(before, conditions)) return undefined
  return { ...Object.fromEntries(fields), conditions }
}
