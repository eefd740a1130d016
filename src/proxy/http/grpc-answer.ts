// What a gRPC client gets when the proxy answers itself: status 200, a head without a body, and grpc-status (gRPC's protocol document,
// "Trailers-Only"; Envoy: Http::Utility::sendLocalReply). Used by exchange.ts for local answers.
import type { MessageHead } from '../http1/head.ts'

const GRPC = 'application/grpc'

/** Envoy: Grpc::Common::isGrpcRequestHeaders; 'application/grpc-web' is another protocol. */
export function isGrpc(head: MessageHead): boolean {
  const type = head.get('content-type')
  if (type === undefined || !type.startsWith(GRPC)) return false
  const next = type[GRPC.length]
  return next === undefined || next === '+' || next === ';'
}

/** gRPC's 'HTTP to gRPC status code mapping'. */
const STATUS: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 }
const UNKNOWN = 2
/** Not what gRPC derives from 504: the limit was the caller's own. */
export const DEADLINE_EXCEEDED = 4

/** The lines that say it. */
export function grpcLocalFields(httpStatus: number, message: string, grpcStatus = STATUS[httpStatus] ?? UNKNOWN): string {
  const status = `content-type: ${GRPC}\r\ngrpc-status: ${grpcStatus}\r\n`
  return message === '' ? status : `${status}grpc-message: ${percentEncoded(message)}\r\n`
}

/** gRPC: printable ASCII except '%' stays. */
function percentEncoded(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/g, (character) =>
    [...Buffer.from(character)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
