// Remembers what was made from objects, as long as the objects live. Used where a snapshot keeps unchanged objects: what is derived from
// them stays the same object too, and is never made twice.
// Invariant: the makers are pure; equal objects that are not the same object are made anew, which costs time and nothing else.

export type WeakMemo<V> = (keys: readonly object[], make: () => V) => V

/** One memory. All calls must give the same number of keys. */
export function createWeakMemo<V>(): WeakMemo<V> {
  const root = new WeakMap<object, Level<V>>()
  return (keys, make) => {
    let level = root
    let found: Level<V> | undefined
    for (const key of keys) {
      found = level.get(key) ?? { next: new WeakMap() }
      level.set(key, found)
      level = found.next
    }
    if (found === undefined) return make()
    found.made ??= { value: make() }
    return found.made.value
  }
}

interface Level<V> {
  readonly next: WeakMap<object, Level<V>>
  made?: { readonly value: V }
}
