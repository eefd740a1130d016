// Paths made canonical before anyone judges them, so that /a/../admin cannot pass a policy about /a (Envoy: normalize_path,
// merge_slashes). Pure; a path that needs nothing is returned as the same string.

/** @returns undefined for a path with an encoded NUL, at which one reader may stop and another may not; the answer is 400, as Envoy's. */
export function normalizePath(path: string, normalizes: boolean, mergesSlashes: boolean): string | undefined {
  if (!normalizes && !mergesSlashes) return path
  const query = path.indexOf('?')
  const plain = query === -1 ? path : path.slice(0, query)
  let result = plain
  if (normalizes && needsNormalizing(plain)) {
    if (plain.includes('%00')) return undefined
    result = encodeExcluded(resolveDots(decodeUnreserved(plain.replaceAll('\\', '/'))))
  }
  // Of nothing but slashes, the first and the last stay, as Envoy's.
  if (mergesSlashes && result.includes('//')) result = /^\/+$/.test(result) ? '//' : result.replace(/\/{2,}/g, '/')
  if (result === plain) return path
  return query === -1 ? result : result + path.slice(query)
}

function needsNormalizing(path: string): boolean {
  return path.includes('%') || path.includes('/.') || path.includes('\\') || EXCLUDED.test(path)
}

/** RFC 3986 2: in no path of a URI; some parsers stop at them, some encode them. */
const EXCLUDED = /["<>^`{|}]/

function encodeExcluded(path: string): string {
  return EXCLUDED.test(path) ? path.replace(/["<>^`{|}]/g, encodeURIComponent) : path
}

/** RFC 3986 6.2.2.2: /%61dmin is /admin, for the policy as for the application. What is reserved stays as it is written. */
function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%([0-9a-f]{2})/gi, (written: string, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : written
  })
}

/** RFC 3986 5.2.4. Going above the root stays at the root. */
function resolveDots(path: string): string {
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
    if (last && (segment === '.' || segment === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}
