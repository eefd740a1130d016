// What only a stock Envoy does so far: mirrors, faults, CORS. Compiled as far as Envoy understands it; our own proxies are not sent it,
// and validation says that it is not in force. Called by http-action.ts.
import type {
  CorsPolicy,
  HTTPFaultInjection,
  Percent,
  StringMatch,
  Destination as Written,
} from '../../api/generated/virtual-service.gen.ts'
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { Cors, Fault, Mirror } from '../../model/http-action.ts'
import { destinationOf } from './destinations.ts'
import { durationMs } from './duration-ms.ts'
import type { RouteEntry } from './route-entry.ts'
import type { Surroundings } from './surroundings.ts'

const ALL = 1_000_000

/** Per million of a percentage; out of bounds is validation's. */
function perMillion(percent: number): number {
  return Math.min(ALL, Math.max(0, Math.round(percent * 10_000)))
}

export function mirrorsOf({ entry, object }: RouteEntry, around: Surroundings): readonly Mirror[] {
  const share = entry.mirrorPercentage?.value ?? entry.mirrorPercent ?? entry.mirror_percent ?? 100
  const single: readonly Mirror[] =
    entry.mirror === undefined ? [] : [{ destination: resolved(entry.mirror), perMillion: perMillion(share) }]
  const many = (entry.mirrors ?? []).map(({ destination, percentage }): Mirror => {
    return { destination: resolved(destination), perMillion: shareOf(percentage, 100) }
  })
  // No share at all is no mirror (Istio).
  return [...single, ...many].filter((each) => each.perMillion > 0)

  function resolved(written: Written): Mirror['destination'] {
    return destinationOf(written, object.metadata.namespace, around)
  }
}

function shareOf(percentage: Percent | undefined, otherwise: number): number {
  return perMillion(percentage === undefined ? otherwise : (percentage.value ?? 0))
}

export function faultOf(fault: HTTPFaultInjection | undefined): Fault | undefined {
  const { delay, abort } = fault ?? {}
  const forMs = durationMs(delay?.fixedDelay)
  const httpStatus = abort?.httpStatus !== undefined && abort.httpStatus >= 200 && abort.httpStatus < 600 ? abort.httpStatus : undefined
  const grpcStatus = abort?.grpcStatus === undefined ? -1 : GRPC_STATUSES.indexOf(abort.grpcStatus)
  const made: Fault = {
    delay: forMs === undefined ? undefined : { forMs, perMillion: shareOf(delay?.percentage, delay?.percent ?? 0) },
    abort:
      httpStatus === undefined && grpcStatus < 0
        ? undefined
        : { httpStatus, grpcStatus: grpcStatus < 0 ? undefined : grpcStatus, perMillion: shareOf(abort?.percentage, 0) },
  }
  return made.delay === undefined && made.abort === undefined ? undefined : made
}

/** By number (gRPC's status codes). */
const GRPC_STATUSES: readonly string[] = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED'],
  ...['RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE'],
  ...['DATA_LOSS', 'UNAUTHENTICATED'],
]

export function corsOf(cors: CorsPolicy | undefined, compileRegex: RegexCompiler): Cors | undefined {
  if (cors === undefined) return undefined
  const maxAgeMs = durationMs(cors.maxAge)
  const preflights = cors.unmatchedPreflights
  return {
    origins: originsOf(cors, compileRegex),
    methods: joined(cors.allowMethods),
    headers: joined(cors.allowHeaders),
    exposedHeaders: joined(cors.exposeHeaders),
    maxAgeSeconds: maxAgeMs === undefined ? undefined : Math.floor(maxAgeMs / 1000),
    credentials: cors.allowCredentials,
    forwardsUnmatchedPreflights: preflights === undefined || preflights === 'UNSPECIFIED' ? undefined : preflights === 'FORWARD',
  }
}

/** The newer field wins over the deprecated one. */
function originsOf(cors: CorsPolicy, compileRegex: RegexCompiler): Cors['origins'] {
  const { allowOrigins, allowOrigin = [] } = cors
  if (allowOrigins === undefined || allowOrigins.length === 0) return allowOrigin.map((value) => ({ kind: 'exact', value }))
  return allowOrigins.flatMap(({ exact, prefix, regex }: StringMatch): Cors['origins'] => {
    if (exact !== undefined) return [{ kind: 'exact', value: exact }]
    if (prefix !== undefined && prefix !== '') return [{ kind: 'prefix', value: prefix }]
    return regex !== undefined && regex !== '' && compileRegex(regex).ok ? [{ kind: 'regex', value: regex }] : []
  })
}

function joined(values: readonly string[] | undefined): string {
  return (values ?? []).filter((value) => !/[\r\n\0]/.test(value)).join(',')
}
