// What a route does, in Envoy's words. Called by virtual-hosts.ts for every route.
// Invariant: what our own proxy does not do yet goes to stock proxies only; ours would refuse the whole route table.
import { any } from '../../envoy/any.ts'
import type { AnyMessage, RedirectAction, Route, RouteAction, WeightedCluster_ClusterWeight } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import type {
  Cors,
  Destination,
  DirectResponse,
  Fault,
  Forward,
  HttpAction,
  Mirror,
  Redirect,
  WeightedDestination,
} from '../../model/http-action.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { type Hashing, hashPolicies } from './hash-policy.ts'
import { type HeaderFields, headerFields } from './header-options.ts'
import { retryPolicy } from './retry-policy.ts'
import { stringMatcher } from './route-match.ts'

export interface CalledAs extends Hashing {
  readonly scheme: 'http' | 'https'
  /** What holds for routes that do not say it. */
  readonly settings: Pick<MeshSettings, 'defaultRetries'>
}

export type RoutePart = Pick<Route, 'route' | 'redirect' | 'directResponse' | 'typedPerFilterConfig'>

/** An action that could not be made: visible, and never another route's answer. */
const UNAVAILABLE = { status: 501, body: { inlineString: 'the action of this route cannot be done: see the Findings of its object\n' } }

/** No limit but the client's own (grpc-timeout). */
export const NO_LIMIT: Pick<RouteAction, 'timeout' | 'maxStreamDuration'> = {
  timeout: 0,
  maxStreamDuration: { maxStreamDuration: 0, grpcTimeoutHeaderMax: 0 },
}

export function routeAction(action: HttpAction, called: CalledAs): RoutePart {
  switch (action.kind) {
    case 'forward':
      return { route: forward(action, called), ...(called.isStock ? perFilter(action) : {}) }
    case 'redirect':
      return { redirect: redirect(action, called) }
    case 'direct-response':
      return { directResponse: directResponse(action) }
    case 'unavailable':
      return { directResponse: UNAVAILABLE }
  }
}

/** Header changes of a lone destination: there is no weighted cluster that could carry them. */
export function loneDestination(action: HttpAction): WeightedDestination | undefined {
  return action.kind === 'forward' && action.destinations.length === 1 ? action.destinations[0] : undefined
}

function forward(action: Forward, called: CalledAs): RouteAction {
  const retries = retryPolicy(action.retries ?? called.settings.defaultRetries, called.isStock)
  const lone = loneDestination(action)
  const authority = action.authority ?? lone?.authority
  const hashPolicy = hashPolicies(action.destinations, called)
  return {
    ...(lone === undefined
      ? { weightedClusters: { clusters: action.destinations.map((each) => weighted(each, called)) } }
      : { cluster: clusterOf(lone, called.port) }),
    ...(action.timeoutMs === undefined ? NO_LIMIT : limit(action.timeoutMs, called)),
    ...(retries === undefined ? {} : { retryPolicy: retries }),
    ...pathRewrite(action),
    ...(hashPolicy.length === 0 ? {} : { hashPolicy }),
    ...(authority === undefined ? {} : { hostRewriteLiteral: authority }),
    ...(called.isStock && action.mirrors.length > 0 ? { requestMirrorPolicies: action.mirrors.map((each) => mirror(each, called)) } : {}),
  }
}

/** Not max_stream_duration: where it is set, Envoy does not look at the timeout (and the client's grpc-timeout needs its older field). */
function limit(timeoutMs: number, { isStock }: CalledAs): Pick<RouteAction, 'timeout' | 'maxGrpcTimeout'> {
  return { timeout: timeoutMs, ...(isStock ? { maxGrpcTimeout: timeoutMs } : {}) }
}

export function clusterOf({ host, port, subset }: Destination, calledPort: number): string {
  return outboundClusterName(port ?? calledPort, subset ?? '', host)
}

function weighted(destination: WeightedDestination, called: CalledAs): WeightedCluster_ClusterWeight & HeaderFields {
  const { weight, headers, authority } = destination
  return {
    name: clusterOf(destination, called.port),
    weight,
    ...headerFields(headers),
    ...(authority === undefined ? {} : { hostRewriteLiteral: authority }),
  }
}

function pathRewrite({ path }: Forward): Pick<RouteAction, 'prefixRewrite' | 'regexRewrite'> {
  if (path === undefined) return {}
  if (path.kind === 'matched') return { prefixRewrite: path.value }
  return { regexRewrite: { pattern: { regex: path.pattern }, substitution: path.substitution } }
}

const REDIRECT_CODES = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
} as const
const DEFAULT_PORTS = { http: 80, https: 443 } as const

function redirect(action: Redirect, called: CalledAs): RedirectAction {
  const port = action.port === 'called' ? called.port : action.port
  const scheme = action.scheme === 'http' || action.scheme === 'https' ? action.scheme : called.scheme
  return {
    responseCode: REDIRECT_CODES[action.status],
    ...(action.scheme === undefined ? {} : { schemeRedirect: action.scheme }),
    ...(action.authority === undefined ? {} : { hostRedirect: action.authority }),
    // A scheme's own port is not said (Istio).
    ...(port === undefined || port === DEFAULT_PORTS[scheme] ? {} : { portRedirect: port }),
    ...(action.path === undefined ? {} : { pathRedirect: action.path }),
    ...(action.prefixRewrite === undefined ? {} : { prefixRewrite: action.prefixRewrite }),
  }
}

function directResponse({ status, body }: DirectResponse): Route['directResponse'] {
  if (body === undefined) return { status }
  return { status, body: 'text' in body ? { inlineString: body.text } : { inlineBytes: Buffer.from(body.base64, 'base64') } }
}

function mirror({ destination, perMillion }: Mirror, { port }: CalledAs): NonNullable<RouteAction['requestMirrorPolicies']>[number] {
  return {
    cluster: clusterOf(destination, port),
    runtimeFraction: { defaultValue: { numerator: perMillion, denominator: 'MILLION' } },
    traceSampled: false,
    disableShadowHostSuffixAppend: true,
  }
}

function perFilter({ fault, cors }: Forward): Pick<Route, 'typedPerFilterConfig'> {
  const configs: Record<string, AnyMessage> = {}
  if (cors !== undefined) configs['envoy.filters.http.cors'] = corsPolicy(cors)
  if (fault !== undefined) configs['envoy.filters.http.fault'] = httpFault(fault)
  return Object.keys(configs).length === 0 ? {} : { typedPerFilterConfig: configs }
}

function httpFault({ delay, abort }: Fault): AnyMessage {
  return any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    ...(delay === undefined
      ? {}
      : { delay: { fixedDelay: delay.forMs, percentage: { numerator: delay.perMillion, denominator: 'MILLION' } } }),
    ...(abort === undefined
      ? {}
      : {
          abort: {
            ...(abort.httpStatus === undefined ? { grpcStatus: abort.grpcStatus } : { httpStatus: abort.httpStatus }),
            percentage: { numerator: abort.perMillion, denominator: 'MILLION' },
          },
        }),
  })
}

function corsPolicy(cors: Cors): AnyMessage {
  const { forwardsUnmatchedPreflights: forwards } = cors
  return any('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
    allowOriginStringMatch: cors.origins.map(stringMatcher),
    ...(cors.methods === '' ? {} : { allowMethods: cors.methods }),
    ...(cors.headers === '' ? {} : { allowHeaders: cors.headers }),
    ...(cors.exposedHeaders === '' ? {} : { exposeHeaders: cors.exposedHeaders }),
    ...(cors.maxAgeSeconds === undefined ? {} : { maxAge: String(cors.maxAgeSeconds) }),
    ...(cors.credentials === undefined ? {} : { allowCredentials: cors.credentials }),
    filterEnabled: { defaultValue: { numerator: 100, denominator: 'HUNDRED' } },
    ...(forwards === undefined ? {} : { forwardNotMatchingPreflights: forwards }),
  })
}
