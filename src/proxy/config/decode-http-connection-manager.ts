// HttpConnectionManager: settings with Envoy's defaults, and the list of HTTP filters, of which the router must be the last.
// Invariant: a filter that decides who may pass is enforced or denies; it is never skipped.
import { type MessageName, nameInTypeUrl, unpack } from '../../envoy/any.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { AuthorizationRules } from '../decide/authorize.ts'
import { decodeAccessLogs } from './decode-access-log.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeHttp2 } from './decode-http2.ts'
import { decodeRules, invalid } from './decode-rbac.ts'
import { decodeRouteTable } from './decode-route.ts'
import type { HttpConnectionManager, RouteTable } from './proxy-config.ts'

/** A connection manager whose table may still be a name that RDS will fill. */
export interface DecodedManager {
  readonly manager: Omit<HttpConnectionManager, 'routes'>
  readonly routes: { readonly table: RouteTable } | { readonly rdsName: string }
}

const MINUTE_MS = 60_000

export function decodeHttpConnectionManager(
  message: envoy.HttpConnectionManager,
  at: string,
  context: DecodeContext,
): DecodedManager | undefined {
  const routes = decodeRoutes(message, at, context)
  const httpRules = decodeHttpFilters(message.httpFilters ?? [], `${at}.http_filters`, context)
  if (message.codecType === 'HTTP3') context.unsupported(`${at}.codec_type`, 'HTTP/3 is not supported')
  if (routes === undefined) return undefined
  const common = message.commonHttpProtocolOptions
  return {
    routes,
    manager: {
      kind: 'http',
      statPrefix: message.statPrefix ?? '',
      accessLogs: decodeAccessLogs(message.accessLog, `${at}.access_log`, context),
      requestId: {
        generate: message.generateRequestId !== false,
        preserveExternal: message.preserveExternalRequestId === true,
        alwaysInResponse: message.alwaysSetRequestIdInResponse === true,
      },
      useRemoteAddress: message.useRemoteAddress === true,
      xffNumTrustedHops: message.xffNumTrustedHops ?? 0,
      skipXffAppend: message.skipXffAppend === true,
      forwardClientCert: decodeForwardClientCert(message),
      upgrades: new Set(
        (message.upgradeConfigs ?? []).filter(({ enabled }) => enabled !== false).map(({ upgradeType = '' }) => upgradeType.toLowerCase()),
      ),
      serverHeader: {
        kind: SERVER_HEADER[message.serverHeaderTransformation ?? 'OVERWRITE'],
        name: message.serverName === undefined || message.serverName === '' ? 'envoy' : message.serverName,
      },
      maxRequestHeadersBytes: (message.maxRequestHeadersKb ?? 60) * 1024,
      maxRequestHeaders: common?.maxHeadersCount ?? 100,
      idleTimeoutMs: noneIfZero(common?.idleTimeout ?? 60 * MINUTE_MS),
      streamIdleTimeoutMs: noneIfZero(message.streamIdleTimeout ?? 5 * MINUTE_MS),
      requestTimeoutMs: noneIfZero(message.requestTimeout),
      requestHeadersTimeoutMs: noneIfZero(message.requestHeadersTimeout),
      normalizePath: message.normalizePath === true,
      mergeSlashes: message.mergeSlashes === true,
      escapedSlashes: ESCAPED_SLASHES[message.pathWithEscapedSlashesAction ?? 'IMPLEMENTATION_SPECIFIC_DEFAULT'],
      underscoredNames: UNDERSCORED_NAMES[common?.headersWithUnderscoresAction ?? 'ALLOW'],
      httpRules,
      acceptHttp10: message.httpProtocolOptions?.acceptHttp10 === true,
      via: message.via === '' ? undefined : message.via,
      codec: CODECS[message.codecType ?? 'AUTO'],
      http2: decodeHttp2(message.http2ProtocolOptions),
      maxConnectionDurationMs: noneIfZero(common?.maxConnectionDuration),
      maxStreamDurationMs: noneIfZero(common?.maxStreamDuration),
    },
  }
}

const CODECS = { AUTO: 'auto', HTTP1: 'http1', HTTP2: 'http2', HTTP3: 'auto' } as const
const SERVER_HEADER = { OVERWRITE: 'overwrite', APPEND_IF_ABSENT: 'append-if-absent', PASS_THROUGH: 'pass-through' } as const

/** Envoy's own default is to keep them. */
const ESCAPED_SLASHES = {
  IMPLEMENTATION_SPECIFIC_DEFAULT: 'keep',
  KEEP_UNCHANGED: 'keep',
  REJECT_REQUEST: 'reject',
  UNESCAPE_AND_REDIRECT: 'unescape-and-redirect',
  UNESCAPE_AND_FORWARD: 'unescape',
} as const

const UNDERSCORED_NAMES = { ALLOW: 'allow', REJECT_REQUEST: 'reject', DROP_HEADER: 'drop' } as const

function noneIfZero(durationMs: number | undefined): number | undefined {
  return durationMs === 0 ? undefined : durationMs
}

function decodeRoutes(message: envoy.HttpConnectionManager, at: string, context: DecodeContext): DecodedManager['routes'] | undefined {
  if (message.routeConfig?.vhds !== undefined)
    context.unsupported(`${at}.route_config.vhds`, 'virtual hosts are discovered for route tables that are discovered themselves')
  if (message.routeConfig !== undefined) return { table: decodeRouteTable(message.routeConfig, `${at}.route_config.`, context) }
  const rdsName = message.rds?.routeConfigName ?? ''
  return rdsName === '' ? context.error(at, 'a connection manager needs route_config or rds') : { rdsName }
}

const FORWARD_MODES = {
  SANITIZE: 'sanitize',
  FORWARD_ONLY: 'forward-only',
  APPEND_FORWARD: 'append-forward',
  SANITIZE_SET: 'sanitize-set',
  ALWAYS_FORWARD_ONLY: 'always-forward-only',
} as const

function decodeForwardClientCert(message: envoy.HttpConnectionManager): HttpConnectionManager['forwardClientCert'] {
  const { subject, uri, dns } = message.setCurrentClientCertDetails ?? {}
  return {
    mode: FORWARD_MODES[message.forwardClientCertDetails ?? 'SANITIZE'],
    subject: subject === true,
    uri: uri === true,
    dns: dns === true,
  }
}

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC'
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router'
/** Without effect while they are empty; what they may hold is reported by the codec. */
const EMPTY_FILTERS: readonly MessageName[] = [
  'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.cors.v3.Cors',
]
/** Filters that refuse requests. Skipping one would open what the user closed, whatever 'allow unsupported' says. */
const GUARDS = /\.(?:jwt_authn|ext_authz|oauth2|basic_auth|api_key_auth|rbac|csrf|geoip|credential_injector)\./

function decodeHttpFilters(filters: readonly envoy.HttpFilter[], at: string, context: DecodeContext): readonly AuthorizationRules[] {
  const rules: AuthorizationRules[] = []
  for (const [index, filter] of filters.entries()) {
    const where = `${at}[${index}]`
    const config = filter.typedConfig
    const isLast = index === filters.length - 1
    if (unpack(config, ROUTER) !== undefined) {
      if (!isLast) context.error(where, 'the router must be the last HTTP filter')
      continue
    }
    if (isLast) context.error(where, 'the last HTTP filter must be the router')
    if (filter.disabled === true) continue
    const rbac = unpack(config, RBAC)
    if (rbac !== undefined) rules.push(...decodeRules(rbac, `${where}.typed_config`, context))
    else if (!EMPTY_FILTERS.some((name) => unpack(config, name) !== undefined)) rules.push(...unknownFilter(filter, where, context))
  }
  if (filters.length === 0) context.error(at, 'a connection manager needs the router as its last HTTP filter')
  return rules
}

function unknownFilter(filter: envoy.HttpFilter, at: string, context: DecodeContext): readonly AuthorizationRules[] {
  const type = nameInTypeUrl(filter.typedConfig?.['@type'] ?? filter.name ?? '')
  if (GUARDS.test(`.${type}.`)) return [invalid(`filter '${filter.name ?? type}' (${type}) is not in force yet`, at, context)]
  if (filter.isOptional === true) context.guard(at)
  else context.unsupported(at, `HTTP filter '${filter.name ?? ''}' (${type}) is not supported`)
  return []
}
