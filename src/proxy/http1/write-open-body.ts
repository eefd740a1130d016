// Content of unknown length written as HTTP/1.1: each piece becomes a chunk (RFC 9112 7.1), the end the last chunk with the trailers.
// Used where the other side speaks HTTP/2, whose DATA frames have no coding of their own.
// Invariant: nothing is written after the last chunk, and an empty piece never becomes one.
import type { Socket } from 'node:net'
import type { MessageBody } from './message-body.ts'
import { writePieces } from './write-message.ts'

/** Writes `head` (may be '') and what `body.out` says of `chunk`. False: the socket asks to wait for 'drain'. */
export function writeChunked(socket: Socket, head: string, chunk: Buffer, body: MessageBody): boolean {
  const { out } = body
  const pieces = out.pieces.length > 0 ? out.pieces : out.end > out.start ? [chunk.subarray(out.start, out.end)] : []
  const flowing = write(socket, head, pieces, body)
  if (socket.writableLength > 0) out.pendingIn = socket
  return flowing
}

/** The same with pieces that were kept, in whatever form the body is. */
export function writeKept(socket: Socket, head: string, pieces: readonly Buffer[], body: MessageBody): boolean {
  if (body.form === 'open') return write(socket, head, pieces, body)
  return pieces.length === 0 ? socket.write(head, 'latin1') : writePieces(socket, head, pieces)
}

/** Up to here, head and content are joined into one text: one write, no list. */
const JOIN_BYTES = 8 * 1024

function write(socket: Socket, head: string, pieces: readonly Buffer[], body: MessageBody): boolean {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const start = length === 0 ? head : `${head}${length.toString(16)}\r\n`
  const end = `${length === 0 ? '' : '\r\n'}${body.done ? `0\r\n${body.trailers}\r\n` : ''}`
  if (length <= JOIN_BYTES) {
    const text = start + pieces.map((piece) => piece.toString('latin1')).join('') + end
    return text === '' ? !socket.writableNeedDrain : socket.write(text, 'latin1')
  }
  socket.cork()
  socket.write(start, 'latin1')
  for (const piece of pieces) socket.write(piece)
  const flowing = socket.write(end, 'latin1')
  socket.uncork()
  return flowing
}

/** A head that ends its message and says nothing of a length: HTTP/1.1 must say that there is none (RFC 9112 6.3 rule 8). */
export function withoutContent(head: string): string {
  return `${head.slice(0, -2)}content-length: 0\r\n\r\n`
}
