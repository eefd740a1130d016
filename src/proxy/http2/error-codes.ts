// RFC 9113 section 7: why a stream or a connection ended. Codes from the wire may be any number, hence `number` in signatures.
// Used by the codec, and by the gRPC client that maps them to statuses.

export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const

const NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]))

export function errorName(code: number): string {
  return NAMES.get(code) ?? `error ${code}`
}

/** What the peer did wrong and which section forbids it. `scope` decides between RST_STREAM and GOAWAY. */
export interface Violation {
  readonly scope: 'stream' | 'connection'
  readonly code: number
  readonly reason: string
}

export function connectionViolation(code: number, reason: string): Violation {
  return { scope: 'connection', code, reason }
}

export function streamViolation(code: number, reason: string): Violation {
  return { scope: 'stream', code, reason }
}
