// Content and trailers of an exchange as DATA and HEADERS frames. Used by both sides that speak HTTP/2.
// Invariant: exactly one frame of a message carries END_STREAM, also when the last octets, the trailers or the head alone end it.
import type { MessageBody } from '../http1/message-body.ts'
import type { Http2Connection } from './connection.ts'
import { trailerFields } from './translate-head.ts'

/** Whether a head with this body has nothing behind it. */
export function endsWithHead({ done, out, trailers }: MessageBody): boolean {
  return done && out.isEmpty && trailers === ''
}

/** Sends what `body.out` says of `chunk`, and the end when it is done. True: all of it may go out now. */
export function sendBody(codec: Http2Connection, streamId: number, chunk: Buffer, body: MessageBody): boolean {
  const { out, done, trailers } = body
  const pieces = out.pieces
  const endsWithData = done && trailers === ''
  let flowing = true
  if (pieces.length > 0) {
    const last = pieces.length - 1
    for (let index = 0; index <= last; index++) flowing = codec.data(streamId, pieces[index] ?? NOTHING, endsWithData && index === last)
  } else if (out.end > out.start) flowing = codec.data(streamId, chunk.subarray(out.start, out.end), endsWithData)
  else if (endsWithData) flowing = codec.data(streamId, NOTHING, true)
  if (done && trailers !== '') codec.trailers(streamId, trailerFields(trailers))
  return flowing
}

const NOTHING: Buffer = Buffer.alloc(0)
