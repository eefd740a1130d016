// One write per message: the head and the body octets that are already there leave together, so that the kernel is called once and
// the peer reads once. Small messages are joined as text (one copy, no allocation in the socket), large ones handed over as they are.
import type { Socket } from 'node:net'
import type { Outflow } from './outflow.ts'

/** Node writes latin1 text up to 16 KiB from a buffer on the stack; beyond it, joining costs more than a second element of writev. */
const JOIN_BYTES = 8 * 1024

/** Writes `head` (may be '') and what `out` says of `chunk`. False: the socket asks to wait for 'drain'. */
export function writeMessage(socket: Socket, head: string, chunk: Buffer, out: Outflow): boolean {
  if (out.pieces.length > 0) {
    const flows = writePieces(socket, head, out.pieces)
    if (socket.writableLength > 0) out.pendingIn = socket
    return flows
  }
  const length = out.end - out.start
  if (length === 0) return head === '' ? !socket.writableNeedDrain : socket.write(head, 'latin1')
  if (head !== '' && length <= JOIN_BYTES) return socket.write(head + chunk.toString('latin1', out.start, out.end), 'latin1')
  if (head !== '') {
    socket.cork()
    socket.write(head, 'latin1')
  }
  const flowing = socket.write(range(chunk, out.start, out.end))
  if (head !== '') socket.uncork()
  if (socket.writableLength > 0) out.pendingIn = socket
  return flowing
}

export function writePieces(socket: Socket, head: string, pieces: readonly Buffer[]): boolean {
  socket.cork()
  if (head !== '') socket.write(head, 'latin1')
  for (const piece of pieces) socket.write(piece)
  socket.uncork()
  return !socket.writableNeedDrain
}

function range(chunk: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end)
}
