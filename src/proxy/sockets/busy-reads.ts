// Lets a connection that somebody opened to us read into one buffer again and again, as node:net's `onread` does for connections that we
// open ourselves: a fresh 64 KiB for each read costs a large upload more than all else. Node has no public way for accepted sockets, so
// its own fields are set, each of them checked; where Node has changed, nothing is switched and the socket goes on emitting 'data'.
// Called by the sides that serve clients, in a 'data' event, once a connection fills whole reads.
// Invariant: a switched socket emits no 'data' any more, and pause, resume and 'end' work as before.
import { Socket } from 'node:net'
import type { ReadBuffer, ReadTarget } from '../upstream/read-buffer.ts'

/** What Node reads at most in one go: more was waiting. */
const FULL_READ_BYTES = 64 * 1024

/** After `chunk` has been read from `socket`: whether its reads go to `reader` from now on. */
export function switchBusyReads(socket: Socket, chunk: Buffer, reader: () => ReadBuffer): ReadBuffer | undefined {
  return chunk.length < FULL_READ_BYTES ? undefined : switchReads(socket, reader)
}

/** Undefined: it stays as it is, because it is no bare socket of TCP, has octets waiting, or Node has changed. */
export function switchReads<T extends ReadTarget>(socket: Socket, reader: () => T): T | undefined {
  if (socket.readableLength > 0 || Object.getPrototypeOf(socket) !== Socket.prototype) return undefined
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  const fields = Object.getOwnPropertySymbols(socket)
  const [buffer, callback, generate] = FIELDS.map((name) => fields.find(({ description }) => description === name))
  if (typeof useUserBuffer !== 'function' || buffer === undefined || callback === undefined || generate === undefined) return undefined
  const created = reader()
  const { options } = created
  const first = options.buffer()
  Reflect.set(socket, buffer, first)
  Reflect.set(socket, callback, options.callback)
  Reflect.set(socket, generate, options.buffer)
  Reflect.apply(useUserBuffer, handle, [first])
  return created
}

const FIELDS = ['kBuffer', 'kBufferCb', 'kBufferGen']
