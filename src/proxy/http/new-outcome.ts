// An outcome at its beginning: every field present from the start, so that all outcomes have one shape and the recorder stays fast.
import type { ConnectionFacts, Outcome } from '../telemetry/outcome.ts'

export function newOutcome(connection: ConnectionFacts, startedAtMs: number): Outcome {
  return {
    connection,
    clientIp: '',
    startedAtMs,
    durationMs: 0,
    protocol: '',
    method: '',
    path: '',
    authority: '',
    request: undefined,
    response: undefined,
    status: 0,
    flags: '',
    details: '',
    terminationDetails: '',
    bytesReceived: 0,
    bytesSent: 0,
    requestHeadBytes: 0,
    responseHeadBytes: 0,
    route: undefined,
    routeName: '',
    virtualHost: '',
    cluster: undefined,
    clusterName: '',
    endpoint: undefined,
    upstreamLocalAddress: '',
    upstreamPrincipal: '',
    upstreamMutualTls: false,
    upstreamTransportFailure: '',
    responseTrailers: '',
    upstreamServiceTimeMs: undefined,
    attempts: 0,
    requestId: '',
  }
}
