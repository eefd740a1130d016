// When two values count as the same without looking into them, and how to look into them once so that nobody has to again. Used by
// remembered.ts and unchanged.ts.
// Invariant: values are never changed after they were made; sameness by identity would lie otherwise.

/** The same value, or lists of the same values. */
export function isSame(before: unknown, now: unknown): boolean {
  if (before === now) return true
  if (!Array.isArray(before) || !Array.isArray(now) || before.length !== now.length) return false
  // Asked for every object in every round: a loop is several times as fast as a callback.
  for (let index = 0; index < before.length; index++) if (before[index] !== now[index]) return false
  return true
}

/** Each the same as the one at its place. */
export function areSame(before: readonly unknown[], now: readonly unknown[]): boolean {
  for (let index = 0; index < before.length; index++) if (!isSame(before[index], now[index])) return false
  return before.length === now.length
}

/** What equals `made`, with every part that equals the part of `before` at the same place taken from there; `before` itself when all is
 *  equal. So what was derived from an unchanged part stays valid, however the whole was made anew. */
export function shareEqual<T>(before: T, made: T): T {
  if (Object.is(before, made)) return before
  if (Array.isArray(before) && Array.isArray(made)) {
    const shared = made.map((each, index) => (index < before.length ? shareEqual(before[index], each) : each))
    // Lists of what `made` is a list of, which the type parameter cannot say.
    return (isSame(before, shared) ? before : shared) as T
  }
  if (!isPlain(before) || !isPlain(made)) return made
  const keys = Object.keys(made)
  const entries = keys.map((key) => [key, Object.hasOwn(before, key) ? shareEqual(before[key], made[key]) : made[key]] as const)
  const isEqual =
    keys.length === Object.keys(before).length && entries.every(([key, value]) => Object.hasOwn(before, key) && before[key] === value)
  // The keys of `made` with equal values.
  return (isEqual ? before : Object.fromEntries(entries)) as T
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
