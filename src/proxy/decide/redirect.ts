// Where a redirect sends the client. Pure text work, as Envoy's Http::Utility::newUri does it, so that a Location header is the same
// behind either proxy. Called for routes whose action is a redirect, and for virtual hosts that require TLS.
import type { Redirect, RouteMatch } from '../config/proxy-config.ts'
import { withoutPort } from './match.ts'
import { pathEnd, type RequestView } from './request-view.ts'
import { replaceMatchedPath } from './rewrite.ts'

export function redirectLocation(redirect: Redirect, match: RouteMatch, request: RequestView): string {
  const scheme = redirect.scheme ?? request.scheme
  const port = redirect.port === undefined ? '' : `:${redirect.port}`
  return `${scheme}://${hostOf(redirect, request, scheme)}${port}${pathOf(redirect, match, request.path)}`
}

/** For a virtual host that requires TLS: the same address over https, with status 301. */
export function redirectToTls(request: RequestView): string {
  return `https://${hostWithoutDefaultPort(request.authority, 'http')}${request.path}`
}

function hostOf(redirect: Redirect, request: RequestView, scheme: string): string {
  if (redirect.host !== undefined) return redirect.host
  if (redirect.port !== undefined) return withoutPort(request.authority)
  // The old scheme's default port would be wrong under the new scheme: http://a:80 must not become https://a:80.
  return scheme === request.scheme ? request.authority : hostWithoutDefaultPort(request.authority, request.scheme)
}

function hostWithoutDefaultPort(authority: string, scheme: string): string {
  const host = withoutPort(authority)
  return authority.slice(host.length) === (scheme === 'https' ? ':443' : ':80') ? host : authority
}

function pathOf(redirect: Redirect, match: RouteMatch, path: string): string {
  const query = redirect.stripQuery ? '' : path.slice(pathEnd(path))
  if (redirect.path !== undefined) return redirect.path.includes('?') ? redirect.path : redirect.path + query
  const plain = path.slice(0, pathEnd(path))
  return (redirect.prefixRewrite === undefined ? plain : replaceMatchedPath(match, plain, redirect.prefixRewrite)) + query
}
