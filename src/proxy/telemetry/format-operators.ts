// The command operators of Envoy's access log format: name and argument to a function of the outcome. Compiled once per format.
// Invariant: an operator costs nothing until its log line is written, and answers undefined (printed as '-') for what is not known.
import { fail, type Result, succeed } from '../../base/result.ts'
import { suggest } from '../../base/suggest.ts'
import type { Outcome } from './outcome.ts'
import { compileTimeFormat } from './time-format.ts'
import { grpcStatusOf, trailerOf } from './trailers.ts'

export type FormatValue = string | number | undefined
export type FormatOperator = (outcome: Outcome) => FormatValue

const PLAIN: Readonly<Record<string, FormatOperator>> = {
  PROTOCOL: (outcome) => outcome.protocol,
  RESPONSE_CODE: (outcome) => outcome.status,
  RESPONSE_FLAGS: (outcome) => outcome.flags,
  RESPONSE_CODE_DETAILS: (outcome) => (outcome.details.includes(' ') ? outcome.details.replaceAll(' ', '_') : outcome.details),
  CONNECTION_TERMINATION_DETAILS: (outcome) => outcome.terminationDetails,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (outcome) => outcome.upstreamTransportFailure,
  BYTES_RECEIVED: (outcome) => outcome.bytesReceived,
  BYTES_SENT: (outcome) => outcome.bytesSent,
  REQUEST_HEADERS_BYTES: (outcome) => outcome.requestHeadBytes,
  RESPONSE_HEADERS_BYTES: (outcome) => outcome.responseHeadBytes,
  DURATION: (outcome) => Math.trunc(outcome.durationMs),
  UPSTREAM_HOST: upstreamHost,
  UPSTREAM_REMOTE_ADDRESS: upstreamHost,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (outcome) => outcome.endpoint?.address.host,
  UPSTREAM_REMOTE_PORT: (outcome) => outcome.endpoint?.address.port,
  UPSTREAM_CLUSTER: (outcome) => outcome.cluster?.statName ?? outcome.clusterName,
  // Also of a cluster that does not exist, where Envoy prints '-': whoever reads NC wants to know which.
  UPSTREAM_CLUSTER_RAW: (outcome) => outcome.clusterName,
  UPSTREAM_LOCAL_ADDRESS: (outcome) => outcome.upstreamLocalAddress,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (outcome) => hostOf(outcome.upstreamLocalAddress),
  UPSTREAM_LOCAL_PORT: (outcome) => portOf(outcome.upstreamLocalAddress),
  UPSTREAM_PEER_URI_SAN: (outcome) => outcome.upstreamPrincipal,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (outcome) => outcome.attempts,
  DOWNSTREAM_LOCAL_ADDRESS: (outcome) => outcome.connection.localAddress,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (outcome) => hostOf(outcome.connection.localAddress),
  DOWNSTREAM_LOCAL_PORT: (outcome) => outcome.connection.localPort,
  // The client, as trusted hops tell it; they tell no port, and Envoy prints 0.
  DOWNSTREAM_REMOTE_ADDRESS: (outcome) => (outcome.clientIp === '' ? outcome.connection.remoteAddress : `${outcome.clientIp}:0`),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (outcome) => outcome.clientIp || outcome.connection.remoteIp,
  DOWNSTREAM_REMOTE_PORT: (outcome) => (outcome.clientIp === '' ? portOf(outcome.connection.remoteAddress) : 0),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (outcome) => outcome.connection.remoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (outcome) => outcome.connection.remoteIp,
  DOWNSTREAM_PEER_URI_SAN: (outcome) => outcome.connection.peerPrincipal,
  DOWNSTREAM_LOCAL_URI_SAN: (outcome) => outcome.connection.localPrincipal,
  REQUESTED_SERVER_NAME: (outcome) => outcome.connection.serverName,
  ROUTE_NAME: (outcome) => outcome.routeName,
  VIRTUAL_HOST_NAME: (outcome) => outcome.virtualHost,
  // Virtual clusters are not honoured.
  VIRTUAL_CLUSTER_NAME: () => undefined,
  GRPC_STATUS_NUMBER: grpcStatus,
  GRPC_STATUS: (outcome) => {
    const status = grpcStatus(outcome)
    return status === undefined ? undefined : (GRPC_STATUS_NAMES[status] ?? String(status))
  },
}

const GRPC_STATUS_NAMES = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied'],
  ...['ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss'],
  'Unauthenticated',
]

export function grpcStatus(outcome: Outcome): number | undefined {
  const text = grpcStatusOf(outcome)
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}

/** `host:port` of endpoints, joined once per endpoint. */
const addresses = new WeakMap<object, string>()

function upstreamHost({ endpoint }: Outcome): string | undefined {
  if (endpoint === undefined) return undefined
  let text = addresses.get(endpoint)
  if (text === undefined) {
    const { host, port } = endpoint.address
    text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    addresses.set(endpoint, text)
  }
  return text
}

function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')))
}

function portOf(address: string): number | undefined {
  const colon = address.lastIndexOf(':')
  return colon < 0 ? undefined : Number(address.slice(colon + 1))
}

const HEADER_OPERATORS: Readonly<Record<string, (name: string) => FormatOperator>> = {
  REQ: requestField,
  REQ_WITHOUT_QUERY: (name) => withoutQuery(requestField(name)),
  RESP: responseField,
  TRAILER: (name) => (outcome) => trailerOf(outcome, name),
}

function requestField(name: string): FormatOperator {
  switch (name) {
    case ':method':
      return (outcome) => outcome.method
    case ':path':
      // What the application got, once a route has rewritten it, as Envoy; what came is in x-envoy-original-path.
      return (outcome) => outcome.request?.get(':path') ?? outcome.path
    case ':authority':
    case 'host':
      return (outcome) => outcome.request?.get(':authority') ?? outcome.authority
    case 'x-request-id':
      // Generated ones are not among the fields that were received.
      return (outcome) => outcome.request?.get('x-request-id') ?? outcome.requestId
    default:
      return (outcome) => outcome.request?.firstLine(name)
  }
}

function responseField(name: string): FormatOperator {
  if (name === ':status') return (outcome) => outcome.status
  if (name === 'x-envoy-upstream-service-time') return (outcome) => truncated(outcome.upstreamServiceTimeMs)
  return (outcome) => outcome.response?.firstLine(name)
}

function truncated(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.trunc(value)
}

function withoutQuery(field: FormatOperator): FormatOperator {
  return (outcome) => {
    const value = field(outcome)
    return typeof value === 'string' ? value.replace(/[?#].*$/s, '') : value
  }
}

/** @param argument between the parentheses, undefined without. @param maxLength of `:Z`. */
export function compileOperator(name: string, argument: string | undefined, maxLength: number | undefined): Result<FormatOperator> {
  const operator = operatorFor(name, argument)
  if (!operator.ok || maxLength === undefined) return operator
  const whole = operator.value
  return succeed((outcome) => {
    const value = whole(outcome)
    return typeof value === 'string' ? value.slice(0, maxLength) : value
  })
}

function operatorFor(name: string, argument: string | undefined): Result<FormatOperator> {
  const plain = PLAIN[name]
  if (plain !== undefined) return succeed(plain)
  if (name === 'START_TIME') return compileTimeFormat(argument, (outcome) => outcome.startedAtMs)
  if (name === 'EMIT_TIME') return compileTimeFormat(argument, (outcome) => outcome.startedAtMs + outcome.durationMs)
  const header = HEADER_OPERATORS[name]
  if (header === undefined) {
    const near = suggest(name, [...Object.keys(PLAIN), ...Object.keys(HEADER_OPERATORS), 'START_TIME', 'EMIT_TIME'])
    return fail('', `format operator %${name}% is not supported${near === undefined ? '' : `; did you mean %${near}%?`}`)
  }
  if (argument === undefined || argument === '') return fail('', `%${name}% needs a header's name in parentheses`)
  const [main = '', fallback] = argument.toLowerCase().split('?')
  if (fallback === undefined) return succeed(header(main))
  // Envoy keeps the path of before a rewrite in this field; the outcome's path is that one already.
  if (name === 'REQ' && main === 'x-envoy-original-path' && fallback === ':path') return succeed(requestField(':path'))
  const first = header(main)
  const second = header(fallback)
  return succeed((outcome) => first(outcome) || second(outcome))
}
