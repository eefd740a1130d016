// How long a request may take in all, from its head to the last octet of its answer: what a gRPC client asks for (grpc-timeout), where the
// route allows it to, else the route's limit, else the connection manager's. Pure; called by forwarding.ts once per request.
// As Envoy decides it (conn_manager_impl.cc, refreshDurationTimeout).
import type { ForwardAction, HttpConnectionManager } from '../config/proxy-config.ts'

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 }

/** gRPC over HTTP/2: at most eight digits and a unit. Undefined when it is not that. */
export function grpcTimeoutMs(value: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(value ?? '') ?? []
  return digits === undefined ? undefined : Math.ceil(Number(digits) * (UNIT_MS[unit] ?? 0))
}

/** Undefined: no limit. */
export function streamDurationMs(
  action: ForwardAction,
  manager: HttpConnectionManager,
  grpcTimeout: string | undefined,
): number | undefined {
  const askedMs = action.grpcTimeoutMaxMs === undefined ? undefined : grpcTimeoutMs(grpcTimeout)
  if (askedMs === undefined || action.grpcTimeoutMaxMs === undefined) {
    const limitMs = action.maxStreamDurationMs ?? manager.maxStreamDurationMs
    return limitMs === 0 ? undefined : limitMs
  }
  return action.grpcTimeoutMaxMs === 0 ? askedMs : Math.min(askedMs, action.grpcTimeoutMaxMs)
}
