// The names that two hosts have in common: what a gateway's server exposes of a VirtualService.

/** The narrower of the two; undefined: none covers the other. `*` covers everything, `*.a.b` what ends in `.a.b`. */
export function hostIntersection(a: string, b: string): string | undefined {
  if (covers(a, b)) return b
  return covers(b, a) ? a : undefined
}

function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === '*') return true
  return wide.startsWith('*') && narrow.endsWith(wide.slice(1)) && narrow.length > wide.length - 1
}
