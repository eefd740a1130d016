// Two codecs back to back, and a raw peer for writing violations: what the codec's tests share.
import type { ConnectionEvents, Http2Connection } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { errorName } from './error-codes.ts'
import { FrameReader } from './frames.ts'

export const OPTIONS: Omit<ConnectionOptions, 'role'> = {
  streamWindow: 65_535,
  connectionWindow: 65_535,
  maxHeaderListSize: 16_384,
  maxConcurrentStreams: 100,
}

/** What a codec reported, in order, as short words. */
export class Recorder implements ConnectionEvents {
  readonly seen: string[] = []
  readonly bodies = new Map<number, Buffer[]>()
  onHead: (id: number, end: boolean) => void = () => undefined
  onBytes: (id: number, bytes: Buffer) => void = () => undefined

  settings(): void {
    this.seen.push('settings')
  }
  headers(id: number, fields: readonly string[], kind: string, end: boolean): void {
    this.seen.push(`${kind} ${id} ${fields.join(' ')}${end ? ' end' : ''}`)
    if (kind === 'head') this.onHead(id, end)
  }
  data(id: number, bytes: Buffer, end: boolean): void {
    const body = this.bodies.get(id) ?? []
    body.push(Buffer.from(bytes))
    this.bodies.set(id, body)
    if (end) this.seen.push(`end ${id}`)
    this.onBytes(id, bytes)
  }
  reset(id: number, code: number): void {
    this.seen.push(`reset ${id} ${errorName(code)}`)
  }
  drained(id: number): void {
    this.seen.push(`drained ${id}`)
  }
  goaway(last: number, code: number): void {
    this.seen.push(`goaway ${last} ${errorName(code)}`)
  }
  pong(): void {
    this.seen.push('pong')
  }
  failed(code: number): void {
    this.seen.push(`failed ${errorName(code)}`)
  }
  output(): void {
    // The tests take the output themselves.
  }
  body(id: number): Buffer {
    return Buffer.concat(this.bodies.get(id) ?? [])
  }
}

/** Carries bytes both ways until nobody has anything to say; pieces of `size` bytes, to cut frames anywhere. */
export function exchange(a: Http2Connection, b: Http2Connection, size = Number.POSITIVE_INFINITY): void {
  for (;;) {
    const fromA = a.takeOutput()
    const fromB = b.takeOutput()
    if (fromA === undefined && fromB === undefined) return
    if (fromA !== undefined) deliver(b, fromA, size)
    if (fromB !== undefined) deliver(a, fromB, size)
  }
}

function deliver(to: Http2Connection, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) to.receive(Buffer.from(bytes.subarray(at, at + size)))
}

/** Frames in raw output, for example 'type 3 stream 1'; for connections that must answer a violation. */
export function framesOf(output: Buffer | undefined): { readonly type: number; readonly streamId: number; readonly payload: Buffer }[] {
  const reader = new FrameReader(1 << 24)
  reader.push(output ?? Buffer.alloc(0))
  const frames: { type: number; streamId: number; payload: Buffer }[] = []
  for (let frame = reader.next(); frame !== undefined && frame !== 'too-large'; frame = reader.next())
    frames.push({ type: frame.type, streamId: frame.streamId, payload: Buffer.from(frame.payload) })
  return frames
}

export function rawFrame(type: number, flags: number, streamId: number, payload: Uint8Array | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'hex') : Buffer.from(payload)
  const header = Buffer.alloc(9)
  header.writeUIntBE(bytes.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, bytes])
}
