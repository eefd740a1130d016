// What an http route does besides forwarding: redirect, direct response, rewrite, retries, faults, CORS.
import { parseDurationMs } from '../../base/duration.ts'
import type { CheckOptions } from '../check-options.ts'
import type { FieldPath } from '../field-path.ts'
import type {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPMatchRequest,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from '../generated/virtual-service.gen.ts'
import type { Report } from '../report.ts'
import { didYouMean } from '../schema/check.ts'
import { checkHeaderName, checkPercentage, checkPort, checkRegex, checkStringMatch } from './matches.ts'

export function checkRedirect(redirect: HTTPRedirect, matches: readonly HTTPMatchRequest[], path: FieldPath, report: Report): void {
  const { uri, prefixRewrite, authority, scheme, port, derivePort, redirectCode } = redirect
  if ([uri, prefixRewrite, authority, scheme, port, derivePort].every((value) => value === undefined || value === '')) {
    report('LTN0136', path, { what: 'a redirect', needed: 'uri, prefixRewrite, authority, scheme or port' }, 'key')
  }
  if (uri !== undefined && prefixRewrite !== undefined)
    report('LTN0135', [...path, 'prefixRewrite'], { first: 'prefixRewrite', second: 'uri' }, 'key')
  if (prefixRewrite !== undefined && matches.some((match) => match.uri !== undefined && match.uri.prefix === undefined)) {
    report('LTN0136', [...path, 'prefixRewrite'], { what: 'prefixRewrite', needed: 'a prefix in every uri match' }, 'key')
  }
  if (redirectCode !== undefined && ![0, 301, 302, 303, 307, 308].includes(redirectCode)) {
    report('LTN0117', [...path, 'redirectCode'], { value: redirectCode, bound: '301, 302, 303, 307 or 308' })
  }
  if (scheme !== undefined && !['', 'http', 'https'].includes(scheme)) {
    report('LTN0113', [...path, 'scheme'], { value: scheme, suggestion: '', allowed: 'http, https' })
  }
  checkPort(port, [...path, 'port'], report)
}

const MAX_BODY_BYTES = 1024 * 1024

export function checkDirectResponse({ status, body }: HTTPDirectResponse, path: FieldPath, report: Report): void {
  if (status < 200 || status > 599) report('LTN0117', [...path, 'status'], { value: status, bound: '200 to 599' })
  const length = body?.string === undefined ? Math.floor(((body?.bytes ?? '').length * 3) / 4) : Buffer.byteLength(body.string)
  if (length > MAX_BODY_BYTES) report('LTN0117', [...path, 'body'], { value: `${length} bytes`, bound: `at most ${MAX_BODY_BYTES}` }, 'key')
}

export function checkRewrite(
  { uri, authority, uriRegexRewrite }: HTTPRewrite,
  path: FieldPath,
  report: Report,
  options: CheckOptions,
): void {
  if ([uri, authority, uriRegexRewrite].every((value) => value === undefined)) {
    report('LTN0136', path, { what: 'a rewrite', needed: 'uri, authority or uriRegexRewrite' }, 'key')
  }
  if (uriRegexRewrite === undefined) return
  if (uri !== undefined) report('LTN0135', [...path, 'uriRegexRewrite'], { first: 'uriRegexRewrite', second: 'uri' }, 'key')
  const at = [...path, 'uriRegexRewrite']
  checkRegex(uriRegexRewrite.match ?? '', [...at, 'match'], report, options.compileRegex)
  if ((uriRegexRewrite.rewrite ?? '') === '') report('LTN0136', at, { what: 'uriRegexRewrite', needed: 'rewrite' }, 'key')
}

/** Envoy's retry conditions for HTTP and gRPC, as Istio lets them through. */
const RETRY_CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]

export function checkRetries(retries: HTTPRetry, path: FieldPath, report: Report): void {
  const { attempts, perTryTimeout, retryOn, retryRemoteLocalities } = retries
  if (attempts !== undefined && attempts < 0) report('LTN0117', [...path, 'attempts'], { value: attempts, bound: 'at least 0' })
  if (attempts === 0 && [perTryTimeout, retryOn, retryRemoteLocalities].some((value) => value !== undefined)) {
    report('LTN0135', [...path, 'attempts'], { first: 'attempts: 0', second: 'perTryTimeout, retryOn or retryRemoteLocalities' })
  }
  for (const token of (retryOn ?? '').split(',')) {
    if (token === '' || RETRY_CONDITIONS.includes(token) || /^[1-5]\d\d$/.test(token)) continue
    report('LTN0141', [...path, 'retryOn'], { value: token, suggestion: didYouMean(token, RETRY_CONDITIONS) })
  }
}

const GRPC_STATUS =
  /^(?:OK|CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNAUTHENTICATED)$/

export function checkFault({ delay, abort }: HTTPFaultInjection, path: FieldPath, report: Report): void {
  if (delay === undefined && abort === undefined) report('LTN0136', path, { what: 'a fault', needed: 'delay or abort' }, 'key')
  if (delay !== undefined) {
    const at = [...path, 'delay']
    checkPercentage(delay.percentage, [...at, 'percentage'], report)
    if (delay.percent !== undefined) report('LTN0143', [...at, 'percent'], { field: 'percent', instead: 'percentage' }, 'key')
    if (delay.exponentialDelay !== undefined)
      report('LTN0142', [...at, 'exponentialDelay'], { field: 'exponentialDelay', instead: 'fixedDelay' }, 'key')
  }
  if (abort === undefined) return
  const at = [...path, 'abort']
  checkPercentage(abort.percentage, [...at, 'percentage'], report)
  const { httpStatus, grpcStatus } = abort
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 600))
    report('LTN0117', [...at, 'httpStatus'], { value: httpStatus, bound: '200 to 600' })
  if (grpcStatus !== undefined && !GRPC_STATUS.test(grpcStatus)) {
    report('LTN0113', [...at, 'grpcStatus'], {
      value: grpcStatus,
      suggestion: '',
      allowed: 'the names of gRPC status codes, such as UNAVAILABLE',
    })
  }
  if (abort.http2Error !== undefined) report('LTN0142', [...at, 'http2Error'], { field: 'http2Error', instead: 'httpStatus' }, 'key')
  if (httpStatus === undefined && grpcStatus === undefined && abort.http2Error === undefined) {
    report('LTN0147', at, { field: 'abort', reason: 'it says no status' }, 'key')
  }
}

const CORS_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*']

export function checkCors(cors: CorsPolicy, path: FieldPath, report: Report, options: CheckOptions): void {
  cors.allowOrigins?.forEach((origin, index) => {
    const at = [...path, 'allowOrigins', index]
    if (Object.keys(origin).length === 0) report('LTN0136', at, { what: 'an origin', needed: 'exact, prefix or regex' }, 'key')
    checkStringMatch(origin, at, report, { compileRegex: options.compileRegex })
  })
  if (cors.allowOrigin !== undefined) report('LTN0143', [...path, 'allowOrigin'], { field: 'allowOrigin', instead: 'allowOrigins' }, 'key')
  cors.allowMethods?.forEach((method, index) => {
    if (!CORS_METHODS.includes(method)) {
      const suggestion = didYouMean(method, CORS_METHODS)
      report('LTN0113', [...path, 'allowMethods', index], { value: method, suggestion, allowed: CORS_METHODS.join(', ') })
    }
  })
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    cors[field]?.forEach((name, index) => {
      if (name !== '*') checkHeaderName(name, [...path, field, index], report)
    })
  }
  const maxAge = cors.maxAge === undefined ? undefined : parseDurationMs(cors.maxAge)
  if (maxAge?.ok === true && maxAge.value % 1000 !== 0)
    report('LTN0117', [...path, 'maxAge'], { value: cors.maxAge ?? '', bound: 'whole seconds' })
}
