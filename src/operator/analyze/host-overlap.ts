// Whether two names, each perhaps with a star in front, have a name in common (Istio's rule of host matching).

export function overlaps(a: string, b: string): boolean {
  const [aIsWild, bIsWild] = [a.startsWith('*'), b.startsWith('*')]
  if (!aIsWild && !bIsWild) return a === b
  const [aEnd, bEnd] = [aIsWild ? a.slice(1) : a, bIsWild ? b.slice(1) : b]
  if (aIsWild && bIsWild) return aEnd.endsWith(bEnd) || bEnd.endsWith(aEnd)
  return aIsWild ? bEnd.endsWith(aEnd) : aEnd.endsWith(bEnd)
}
