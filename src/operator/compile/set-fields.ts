// Which fields of a written block are set, by Istio's rules: zero and the empty text are 'not set'. Used by what reads trafficPolicies.
import { parseDurationMs } from '../../base/duration.ts'

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the fields that are not set, so that equal policies are equal values. */
export function defined<T extends Readonly<Record<string, unknown>>>(fields: T): Defined<T> {
  // fromEntries forgets the names that filter keeps.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}

export function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value
}

export function filled(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}

export function durationOf(text: string | undefined, minimum = 1): number | undefined {
  if (text === undefined) return undefined
  const parsed = parseDurationMs(text)
  return parsed.ok && parsed.value >= minimum ? parsed.value : undefined
}

export function secondsOf(text: string | undefined): number | undefined {
  const ms = durationOf(text)
  return ms === undefined ? undefined : Math.max(1, Math.round(ms / 1000))
}
