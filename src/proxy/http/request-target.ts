// The request target's four forms (RFC 9112 3.2) to authority and path. Pure; called once per request.
import { isAuthorityText } from '../http1/parse-head.ts'

export interface RequestTarget {
  /** Undefined: the Host field says it. */
  readonly authority: string | undefined
  /** Origin form; '' for CONNECT, '*' for OPTIONS of the server. */
  readonly path: string
}

const SLASH = 0x2f

/** Undefined: no form that the method may have, or one with a fragment or userinfo, which no client sends. */
export function parseTarget(method: string, target: string): RequestTarget | undefined {
  if (method === 'CONNECT') return isAuthorityText(target) && /:\d+$/.test(target) ? { authority: target, path: '' } : undefined
  if (target.includes('#')) return undefined
  if (target.charCodeAt(0) === SLASH) return { authority: undefined, path: target }
  if (target === '*') return method === 'OPTIONS' ? { authority: undefined, path: '*' } : undefined
  return parseAbsolute(target)
}

/** RFC 9112 3.2.2: a server accepts the absolute form, and its authority replaces the Host field. */
function parseAbsolute(target: string): RequestTarget | undefined {
  const scheme = /^https?:\/\//i.exec(target)
  if (scheme === null) return undefined
  const start = scheme[0].length
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  const authority = target.slice(start, end)
  if (authority === '' || !isAuthorityText(authority)) return undefined
  const rest = target.slice(end)
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` }
}
