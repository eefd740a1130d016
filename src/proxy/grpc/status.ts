// gRPC statuses, and where they come from when a server did not say: HTTP status, HTTP/2 reset code, lost connection.
// Source: gRPC's 'HTTP2 protocol mapping' and 'HTTP to gRPC status code mapping' documents. Used by call.ts.
import { ErrorCode, errorName } from '../http2/error-codes.ts'

export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const

export interface GrpcStatus {
  readonly code: number
  readonly message: string
}

const NAMES = new Map<number, string>(Object.entries(GrpcCode).map(([name, code]) => [code, name]))

export function grpcCodeName(code: number): string {
  return NAMES.get(code) ?? `code ${code}`
}

export function formatStatus(status: GrpcStatus): string {
  return status.message === '' ? grpcCodeName(status.code) : `${grpcCodeName(status.code)}: ${status.message}`
}

export function statusFromHttp(httpStatus: string): GrpcStatus {
  const message = `the server answered HTTP ${httpStatus} and no grpc-status`
  switch (httpStatus) {
    case '400':
      return { code: GrpcCode.INTERNAL, message }
    case '401':
      return { code: GrpcCode.UNAUTHENTICATED, message }
    case '403':
      return { code: GrpcCode.PERMISSION_DENIED, message }
    case '404':
      return { code: GrpcCode.UNIMPLEMENTED, message }
    case '429':
    case '502':
    case '503':
    case '504':
      return { code: GrpcCode.UNAVAILABLE, message }
    default:
      return { code: GrpcCode.UNKNOWN, message }
  }
}

export function statusFromReset(code: number, reason: string): GrpcStatus {
  const message = `${reason} (HTTP/2 ${errorName(code)})`
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return { code: GrpcCode.UNAVAILABLE, message }
    case ErrorCode.CANCEL:
      return { code: GrpcCode.CANCELLED, message }
    case ErrorCode.ENHANCE_YOUR_CALM:
      return { code: GrpcCode.RESOURCE_EXHAUSTED, message }
    case ErrorCode.INADEQUATE_SECURITY:
      return { code: GrpcCode.PERMISSION_DENIED, message }
    default:
      return { code: GrpcCode.INTERNAL, message }
  }
}

/** grpc-message is percent-encoded UTF-8; what does not decode is passed on as it is (gRPC: never fail on it). */
export function decodeGrpcMessage(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
