// Whether two sets have the same members: for watchables whose value is a set, where an equal one must be silence.

export function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((each) => b.has(each))
}
