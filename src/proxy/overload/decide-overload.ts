// How near to its limit the process is, and what is done about it. Pure; asked a few times a second by memory-guard.ts.
// The model is Envoy's overload manager: shrink first, then take no more connections, then refuse requests.
// Invariant: a level is left below where it was entered, so that a process that hovers at a threshold does not flap.

/** In order: each does what the ones before it do. */
export const OVERLOAD_LEVELS = ['normal', 'shrinking', 'refusing-connections', 'shedding-requests'] as const
export type OverloadLevel = (typeof OVERLOAD_LEVELS)[number]

/** Envoy's edge example shrinks at 0.95 of a heap limit and stops at 0.98; a container is killed at 1.00 of its resident memory, and a
 *  collector that runs there is late. */
const ENTERED_AT: readonly number[] = [0, 0.85, 0.92, 0.96]
const LEFT_BELOW: readonly number[] = [0, 0.8, 0.87, 0.92]

export interface MemoryReading {
  readonly residentBytes: number
  readonly heapBytes: number
  /** What V8 ends the process at. */
  readonly heapLimitBytes: number
}

/** The larger of two shares: of the container's limit (the kernel kills at 1), and of V8's own heap (V8 aborts at 1). */
export function memoryPressure(reading: MemoryReading, limitBytes: number | undefined): number {
  const resident = limitBytes === undefined ? 0 : reading.residentBytes / limitBytes
  return Math.max(resident, reading.heapBytes / reading.heapLimitBytes)
}

/** @param current index into OVERLOAD_LEVELS, as is the result. */
export function decideOverload(pressure: number, current: number): number {
  let level = 0
  for (let each = 1; each < OVERLOAD_LEVELS.length; each++) {
    const threshold = (each <= current ? LEFT_BELOW[each] : ENTERED_AT[each]) ?? 1
    if (pressure >= threshold) level = each
  }
  return level
}
