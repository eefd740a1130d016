// The path and host that the upstream sees. Pure; the caller writes the head and keeps the original path in x-envoy-original-path.
// Invariant: the query is never rewritten and never lost.
import type { ForwardAction, RouteMatch } from '../config/proxy-config.ts'
import { pathEnd } from './request-view.ts'

/** The path to forward; the very same string when nothing changes. */
export function rewritePath(rewrite: ForwardAction['pathRewrite'], match: RouteMatch, path: string): string {
  if (rewrite === undefined || path === '') return path
  const end = pathEnd(path)
  const plain = end === path.length ? path : path.slice(0, end)
  const rewritten = rewrite.kind === 'regex' ? rewrite.rewrite(plain) : replaceMatchedPath(match, plain, rewrite.value)
  if (rewritten === plain) return path
  return end === path.length ? rewritten : rewritten + path.slice(end)
}

/** What the match covered is replaced: the prefix, or the whole path for exact and regex matches (Envoy: prefix_rewrite). */
export function replaceMatchedPath(match: RouteMatch, path: string, replacement: string): string {
  const kind = match.path.kind
  if (kind === 'prefix' || kind === 'path-separated-prefix') return replacement + path.slice(match.path.value.length)
  return kind === 'connect' ? path : replacement
}

/** The authority to forward. `auto` takes the endpoint's name, which only DNS clusters have. */
export function rewriteHost(rewrite: ForwardAction['hostRewrite'], authority: string, endpointHost: string | undefined): string {
  if (rewrite === undefined) return authority
  return rewrite.kind === 'literal' ? rewrite.value : (endpointHost ?? authority)
}
