// What a route does: forward, redirect, answer itself. Envoy's defaults are filled in here (15 s route timeout, one retry, 301).
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { sumOfWeights } from '../decide/weighted.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeHeaderMutations, NO_MUTATIONS } from './decode-headers.ts'
import { decodeRetryPolicy } from './decode-retry.ts'
import type { DirectResponse, ForwardAction, HeaderMutations, Redirect, RetryPolicy, RouteAction, WeightedCluster } from './proxy-config.ts'

const DEFAULT_TIMEOUT_MS = 15_000

export function decodeRouteAction(
  route: envoy.Route,
  hostRetry: RetryPolicy | undefined,
  at: string,
  context: DecodeContext,
): RouteAction | undefined {
  if (route.route !== undefined) return decodeForward(route.route, hostRetry, `${at}.route`, context)
  if (route.redirect !== undefined) return decodeRedirect(route.redirect)
  if (route.directResponse !== undefined) return decodeDirectResponse(route.directResponse, `${at}.direct_response`, context)
  if (route.nonForwardingAction !== undefined) return { kind: 'non-forwarding' }
  return context.error(at, 'a route needs route, redirect, direct_response or non_forwarding_action')
}

function decodeForward(
  action: envoy.RouteAction,
  hostRetry: RetryPolicy | undefined,
  at: string,
  context: DecodeContext,
): ForwardAction | undefined {
  const clusters = decodeClusters(action, at, context)
  if (clusters.length === 0) return context.error(at, 'a route needs cluster, or weighted_clusters with a weight above zero')
  if (action.priority === 'HIGH') context.unsupported(`${at}.priority`, 'high priority is not supported')
  const timeoutMs = action.timeout ?? DEFAULT_TIMEOUT_MS
  return {
    kind: 'forward',
    clusters,
    totalWeight: sumOfWeights(clusters),
    clusterNotFoundStatus: NOT_FOUND_STATUS[action.clusterNotFoundResponseCode ?? 'SERVICE_UNAVAILABLE'],
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    idleTimeoutMs: action.idleTimeout,
    maxStreamDurationMs: action.maxStreamDuration?.maxStreamDuration,
    grpcTimeoutMaxMs: action.maxStreamDuration?.grpcTimeoutHeaderMax,
    retry: action.retryPolicy === undefined ? hostRetry : decodeRetryPolicy(action.retryPolicy, `${at}.retry_policy`, context),
    pathRewrite: decodePathRewrite(action, at, context),
    hostRewrite: decodeHostRewrite(action),
    upgrades: new Map((action.upgradeConfigs ?? []).map(({ upgradeType = '', enabled = true }) => [upgradeType.toLowerCase(), enabled])),
  }
}

const NOT_FOUND_STATUS = { SERVICE_UNAVAILABLE: undefined, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const

function decodeClusters(action: envoy.RouteAction, at: string, context: DecodeContext): readonly WeightedCluster[] {
  if (action.cluster !== undefined) {
    return action.cluster === '' ? [] : [{ name: action.cluster, weight: 1, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }]
  }
  return (action.weightedClusters?.clusters ?? [])
    .map((each, index) => {
      const headers = decodeHeaderMutations(each, `${at}.weighted_clusters.clusters[${index}].`, context)
      const requestHeaders = withHost(headers.requestHeaders, each.hostRewriteLiteral)
      return { name: each.name ?? '', weight: each.weight ?? 0, ...headers, requestHeaders }
    })
    .filter((each) => each.weight > 0)
}

/** One destination's own Host is the last word on it, like a header that is overwritten. */
function withHost(headers: HeaderMutations, host: string | undefined): HeaderMutations {
  if (host === undefined || host === '') return headers
  return {
    ...headers,
    set: [...headers.set, { name: ':authority', value: host, hasOperators: false, action: 'overwrite', keepsEmpty: false }],
  }
}

function decodePathRewrite(action: envoy.RouteAction, at: string, context: DecodeContext): ForwardAction['pathRewrite'] {
  if (action.regexRewrite !== undefined) {
    const { pattern, substitution = '' } = action.regexRewrite
    const rewriter = context.regex.rewriter(pattern?.regex ?? '', substitution)
    if (rewriter.ok) return { kind: 'regex', rewrite: rewriter.value }
    for (const problem of rewriter.problems) context.error(`${at}.regex_rewrite`, problem.message)
    return undefined
  }
  return action.prefixRewrite === undefined || action.prefixRewrite === '' ? undefined : { kind: 'prefix', value: action.prefixRewrite }
}

function decodeHostRewrite(action: envoy.RouteAction): ForwardAction['hostRewrite'] {
  if (action.hostRewriteLiteral !== undefined && action.hostRewriteLiteral !== '')
    return { kind: 'literal', value: action.hostRewriteLiteral }
  return action.autoHostRewrite === true ? { kind: 'auto' } : undefined
}

const REDIRECT_STATUS = { MOVED_PERMANENTLY: 301, FOUND: 302, SEE_OTHER: 303, TEMPORARY_REDIRECT: 307, PERMANENT_REDIRECT: 308 } as const

function decodeRedirect(redirect: envoy.RedirectAction): Redirect {
  return {
    kind: 'redirect',
    status: REDIRECT_STATUS[redirect.responseCode ?? 'MOVED_PERMANENTLY'],
    scheme: redirect.httpsRedirect === true ? 'https' : nonEmpty(redirect.schemeRedirect),
    host: nonEmpty(redirect.hostRedirect),
    port: redirect.portRedirect === 0 ? undefined : redirect.portRedirect,
    path: nonEmpty(redirect.pathRedirect),
    prefixRewrite: redirect.prefixRewrite,
    stripQuery: redirect.stripQuery === true,
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function decodeDirectResponse(response: envoy.DirectResponseAction, at: string, context: DecodeContext): DirectResponse | undefined {
  const status = response.status ?? 0
  if (status < 200 || status > 599) return context.error(`${at}.status`, `${status} is not a status from 200 to 599`)
  if (response.body?.filename !== undefined) return context.unsupported(`${at}.body.filename`, 'a body in a file is not supported')
  return { kind: 'direct-response', status, body: bytesOf(response.body) }
}

function bytesOf(source: envoy.DataSource | undefined): Uint8Array {
  return Buffer.from(source?.inlineBytes ?? source?.inlineString ?? '')
}
