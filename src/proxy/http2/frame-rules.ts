// The checks of single frames and of a message's length (RFC 9113 sections 5.1, 6 and 8.1.1). Called by connection.ts.
// Each answers with the violation, or undefined when the rule holds.
import { connectionViolation, ErrorCode, streamViolation, type Violation } from './error-codes.ts'
import { Flag, type Frame, MAX_STREAM_ID } from './frames.ts'
import type { FieldList } from './hpack-decoder.ts'
import type { Stream } from './stream.ts'

export function onStreamZero(what: string): Violation {
  return connectionViolation(ErrorCode.PROTOCOL_ERROR, `${what} on stream 0 (6)`)
}

export function onIdle(what: string): Violation {
  return connectionViolation(ErrorCode.PROTOCOL_ERROR, `${what} on an idle stream (5.1)`)
}

export function sizeOf(frame: Frame, bytes: number, scope: 'stream' | 'connection'): Violation | undefined {
  if (frame.payload.length === bytes) return undefined
  return { scope, code: ErrorCode.FRAME_SIZE_ERROR, reason: `frame type ${frame.type} has ${frame.payload.length} bytes, not ${bytes} (6)` }
}

export function onPriority(frame: Frame): Violation | undefined {
  if (frame.streamId === 0) return onStreamZero('PRIORITY')
  const violation = sizeOf(frame, 5, 'stream')
  if (violation !== undefined || !dependsOnItself(frame.payload, frame.streamId)) return violation
  return streamViolation(ErrorCode.PROTOCOL_ERROR, 'a stream depends on itself (RFC 7540 5.3.1)')
}

/** @param priority begins with the stream that is depended on. */
export function dependsOnItself(priority: Buffer, streamId: number): boolean {
  return (priority.readUInt32BE(0) & MAX_STREAM_ID) === streamId
}

/** The content without padding; undefined when the padding does not fit. */
export function unpad(frame: Frame): Buffer | undefined {
  if ((frame.flags & Flag.PADDED) === 0) return frame.payload
  const padding = frame.payload[0]
  if (padding === undefined || padding >= frame.payload.length) return undefined
  return frame.payload.subarray(1, frame.payload.length - padding)
}

export function checkLength(stream: Stream, end: boolean): Violation | undefined {
  const expected = stream.expectedBytes
  if (expected === undefined) return undefined
  if (stream.receivedBytes <= expected && (!end || stream.receivedBytes === expected)) return undefined
  return streamViolation(ErrorCode.PROTOCOL_ERROR, `content-length is ${expected} but ${stream.receivedBytes} bytes came (8.1.1)`)
}

export function contentLength(fields: FieldList): number | undefined | 'invalid' {
  let length: number | undefined
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== 'content-length') continue
    const value = fields[at + 1] ?? ''
    if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== Number(value))) return 'invalid'
    length = Number(value)
  }
  return length
}
