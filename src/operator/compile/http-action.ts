// What an http entry does with its requests: forward, redirect, answer. Called by http-routes.ts.
// Invariant: an action that cannot be done keeps its place as 'unavailable' (501) with a Finding, so that its requests do not go to a
// later entry that was not meant for them.
import { type Finding, finding } from '../../api/finding.ts'
import type { HTTPDirectResponse, HTTPRedirect, HTTPRewrite } from '../../api/generated/virtual-service.gen.ts'
import { compileRegexRewrite } from '../../base/regex.ts'
import type { DirectResponse, HeaderChanges, HttpAction, PathRewrite, Redirect } from '../../model/http-action.ts'
import { destinationsOf } from './destinations.ts'
import { durationMs } from './duration-ms.ts'
import { headerChanges, isHostValue } from './header-changes.ts'
import { corsOf, faultOf, mirrorsOf } from './http-extras.ts'
import { retriesOf } from './retries.ts'
import type { RouteEntry } from './route-entry.ts'
import type { Surroundings } from './surroundings.ts'

export interface CompiledAction {
  readonly action: HttpAction
  readonly headers: HeaderChanges | undefined
  readonly findings: readonly Finding[]
}

const UNAVAILABLE: HttpAction = { kind: 'unavailable' }

export function httpAction(route: RouteEntry, around: Surroundings): CompiledAction {
  const { entry, object, field } = route
  const headers = headerChanges(entry.headers)
  const findings: Finding[] = headers.problems.map(({ path, problem }) =>
    finding('LTN0213', object, `${field}.headers.${path}`, { what: 'this header operation', problem }),
  )
  const unavailable = (path: string, what: string, problem: string): HttpAction => {
    findings.push(finding('LTN0214', object, `${field}.${path}`, { what, problem }))
    return UNAVAILABLE
  }
  const action = (): HttpAction => {
    if (entry.redirect !== undefined) {
      return redirectOf(entry.redirect) ?? unavailable('redirect', 'the redirect', 'its code, port or scheme is none that proxies know')
    }
    if (entry.directResponse !== undefined) {
      return (
        directResponseOf(entry.directResponse) ??
        unavailable('directResponse', 'the answer', 'its status is not from 200 to 599, or its body is too long')
      )
    }
    const { destinations, findings: ofDestinations } = destinationsOf({ object, field, entries: entry.route ?? [] }, around)
    findings.push(...ofDestinations)
    if (destinations.length === 0) return UNAVAILABLE
    const path = pathRewriteOf(entry.rewrite)
    if (path === 'unusable')
      return unavailable('rewrite.uriRegexRewrite', 'the rewrite', 'the pattern or a group of the substitution does not exist')
    const authority = entry.rewrite?.authority ?? headers.authority
    return {
      kind: 'forward',
      destinations,
      timeoutMs: durationMs(entry.timeout),
      retries: retriesOf(entry.retries),
      path,
      authority: authority !== undefined && isHostValue(authority) ? authority : undefined,
      mirrors: mirrorsOf(route, around),
      fault: faultOf(entry.fault),
      cors: corsOf(entry.corsPolicy, around.compileRegex),
    }
  }
  return { action: action(), headers: headers.changes, findings }
}

const STATUSES = [301, 302, 303, 307, 308] as const

function redirectOf(redirect: HTTPRedirect): Redirect | undefined {
  const { redirectCode, scheme, port, derivePort } = redirect
  const status = STATUSES.find((each) => each === (redirectCode === undefined || redirectCode === 0 ? 301 : redirectCode))
  const isScheme = scheme === undefined || ['', 'http', 'https'].includes(scheme)
  const isPort = port === undefined || (port >= 0 && port <= 65_535)
  const texts = [redirect.uri, redirect.prefixRewrite, redirect.authority]
  if (status === undefined || !isScheme || !isPort || !texts.every(isLine)) return undefined
  return {
    kind: 'redirect',
    status,
    scheme: nonEmpty(scheme),
    authority: nonEmpty(redirect.authority),
    port: port === undefined || port === 0 ? (derivePort === 'FROM_REQUEST_PORT' ? 'called' : undefined) : port,
    path: nonEmpty(redirect.uri),
    prefixRewrite: nonEmpty(redirect.uri) === undefined ? nonEmpty(redirect.prefixRewrite) : undefined,
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Proxies refuse line breaks where a header is made of the text. */
function isLine(text: string | undefined): boolean {
  return text === undefined || !/[\r\n\0]/.test(text)
}

export const MAX_BODY_BYTES = 1024 * 1024

function directResponseOf({ status, body }: HTTPDirectResponse): DirectResponse | undefined {
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined
  if (body?.string !== undefined) {
    return Buffer.byteLength(body.string) > MAX_BODY_BYTES ? undefined : { kind: 'direct-response', status, body: { text: body.string } }
  }
  if (body?.bytes === undefined) return { kind: 'direct-response', status, body: undefined }
  const tooLong = Buffer.byteLength(body.bytes, 'base64') > MAX_BODY_BYTES
  return tooLong ? undefined : { kind: 'direct-response', status, body: { base64: body.bytes } }
}

function pathRewriteOf(rewrite: HTTPRewrite | undefined): PathRewrite | undefined | 'unusable' {
  const { uri, uriRegexRewrite } = rewrite ?? {}
  if (uriRegexRewrite !== undefined) {
    const { match = '', rewrite: substitution = '' } = uriRegexRewrite
    const isUsable = isLine(substitution) && compileRegexRewrite(match, substitution).ok
    return isUsable ? { kind: 'regex', pattern: match, substitution } : 'unusable'
  }
  if (uri === undefined || uri === '') return undefined
  return isLine(uri) ? { kind: 'matched', value: uri } : 'unusable'
}
