// The path that everyone judges and the application gets, as the connection manager asks for it (Envoy: maybeNormalizePath; Istio:
// pathNormalization NONE, BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES). Called once per request, before routes and policies.
// Invariant: Envoy's order: escaped slashes, then dots and needless escapes, then doubled slashes; each may make work for the next.
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import { normalizePath } from './normalize-path.ts'

export type CanonicalPath =
  | { readonly kind: 'path'; readonly path: string }
  /** The client is sent to the path that everyone reads in one way (307). */
  | { readonly kind: 'redirect'; readonly path: string }
  /** 400: escaped slashes where none are allowed, or an encoded NUL. */
  | { readonly kind: 'refused' }

const REFUSED: CanonicalPath = { kind: 'refused' }

export function canonicalPath(
  path: string,
  manager: Pick<HttpConnectionManager, 'normalizePath' | 'mergeSlashes' | 'escapedSlashes'>,
): CanonicalPath {
  const unescaped = manager.escapedSlashes === 'keep' ? path : unescapeSlashes(path)
  if (unescaped !== path && manager.escapedSlashes === 'reject') return REFUSED
  const canonical = normalizePath(unescaped, manager.normalizePath, manager.mergeSlashes)
  if (canonical === undefined) return REFUSED
  return { kind: unescaped !== path && manager.escapedSlashes === 'unescape-and-redirect' ? 'redirect' : 'path', path: canonical }
}

/** The very same string when there is none. The query keeps its own. */
function unescapeSlashes(path: string): string {
  if (!path.includes('%')) return path
  const query = path.indexOf('?')
  const plain = query === -1 ? path : path.slice(0, query)
  const unescaped = plain.replace(/%2f/gi, '/').replace(/%5c/gi, '\\')
  return query === -1 ? unescaped : unescaped + path.slice(query)
}
