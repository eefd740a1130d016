// Lets a connection that somebody opened to us read into a buffer that is used again, as node:net's `onread` does for connections that we
// open ourselves: Node allocates 64 KiB for every read otherwise. Node has no public way for accepted sockets, so its own fields are set,
// each of them checked; where Node has changed, nothing is switched and the socket goes on emitting 'data'.
// Called by the sides that serve clients, once the first octets have shown what the connection speaks.
// Invariant: a switched socket emits no 'data' any more, and pause, resume and 'end' work as before.
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ReadTarget } from '../upstream/read-buffer.ts'

/** Undefined: it stays as it is, because it has octets waiting, is no bare socket of TCP or TLS, or Node has changed. A socket that is paused
 *  reads on, as it did into Node's buffers until they were full: it is held back by the first pause after the switch. */
export function switchReads<T extends ReadTarget>(socket: Socket, reader: () => T): T | undefined {
  if (socket.readableLength > 0 || !isBare(socket)) return undefined
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  fields ??= findFields(socket)
  if (typeof useUserBuffer !== 'function' || fields === 'changed') return undefined
  const created = reader()
  const { options } = created
  const first = options.buffer()
  Reflect.set(socket, fields.buffer, first)
  Reflect.set(socket, fields.callback, options.callback)
  Reflect.set(socket, fields.generate, options.buffer)
  Reflect.apply(useUserBuffer, handle, [first])
  return created
}

function isBare(socket: Socket): boolean {
  const prototype: unknown = Object.getPrototypeOf(socket)
  return prototype === Socket.prototype || prototype === TLSSocket.prototype
}

interface Fields {
  readonly buffer: symbol
  readonly callback: symbol
  readonly generate: symbol
}

/** The same symbols for every socket of a process. */
let fields: Fields | 'changed' | undefined

function findFields(socket: Socket): Fields | 'changed' {
  const symbols = Object.getOwnPropertySymbols(socket)
  const [buffer, callback, generate] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    symbols.find(({ description }) => description === name),
  )
  return buffer === undefined || callback === undefined || generate === undefined ? 'changed' : { buffer, callback, generate }
}
