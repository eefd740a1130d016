// Paths made canonical before anyone judges them, so that /a/../admin cannot pass a policy about /a (Envoy: normalize_path,
// merge_slashes). Pure; a path that needs nothing is returned as the same string.

/** @returns undefined for a path that climbs above its root with nothing left to mean. */
export function normalizePath(path: string, normalizes: boolean, mergesSlashes: boolean): string {
  if (!normalizes && !mergesSlashes) return path
  const query = path.indexOf('?')
  const plain = query === -1 ? path : path.slice(0, query)
  let result = plain
  if (normalizes && needsNormalizing(plain)) result = resolveDots(plain.replaceAll('\\', '/'))
  if (mergesSlashes && result.includes('//')) result = result.replace(/\/{2,}/g, '/')
  if (result === plain) return path
  return query === -1 ? result : result + path.slice(query)
}

function needsNormalizing(path: string): boolean {
  return path.includes('/.') || path.includes('\\') || path.includes('%2e') || path.includes('%2E')
}

/** RFC 3986 5.2.4; %2e is a dot (6.2.2.2). Going above the root stays at the root. */
function resolveDots(path: string): string {
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    const dots = segment.replace(/%2e/gi, '.')
    const last = index === segments.length - 1
    if (dots === '..') kept.pop()
    else if (dots !== '.') kept.push(segment)
    if (last && (dots === '.' || dots === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}
