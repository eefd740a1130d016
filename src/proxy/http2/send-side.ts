// What a connection sends: frames in order, DATA as far as the windows allow, the rest queued on its stream. Owned by connection.ts.
// Invariants: no DATA beyond either window; trailers and END_STREAM never overtake queued DATA; a stream that waits for the
// connection's window is served in turn, so that one large transfer does not starve the others.
import type { ConnectionOptions } from './connection-options.ts'
import { SendWindow } from './flow-control.ts'
import { FrameWriter } from './frame-writer.ts'
import { CLIENT_PREFACE, Flag, FrameType } from './frames.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { DEFAULT_SETTINGS, encodeSettings, type Settings } from './settings.ts'
import { afterLocalEnd, type Stream } from './stream.ts'

export interface SendEvents {
  output(): void
  drained(streamId: number): void
  closed(stream: Stream): void
  /** Everything of a stream that was to end with its answer is out. */
  sent(stream: Stream): void
}

export class SendSide {
  readonly #streams: ReadonlyMap<number, Stream>
  readonly #events: SendEvents
  readonly #writer = new FrameWriter()
  readonly #encoder: HpackEncoder
  readonly #window = new SendWindow(DEFAULT_SETTINGS.initialWindowSize)
  #maxFrameSize = DEFAULT_SETTINGS.maxFrameSize
  #announced = false
  dataFrames = 0

  constructor(streams: ReadonlyMap<number, Stream>, headerTableSize: number | undefined, events: SendEvents) {
    this.#encoder = new HpackEncoder(headerTableSize)
    this.#streams = streams
    this.#events = events
  }

  get waitingFrames(): number {
    return this.#writer.frames
  }

  take(): Buffer | undefined {
    this.#announced = false
    return this.#writer.take()
  }

  giveBack(taken: Buffer): void {
    this.#writer.giveBack(taken)
  }

  preface(options: ConnectionOptions): void {
    if (options.role === 'client') this.#writer.raw(CLIENT_PREFACE)
    const role =
      options.role === 'client'
        ? { enablePush: false }
        : {
            maxConcurrentStreams: options.maxConcurrentStreams,
            ...(options.connectProtocol === true ? { enableConnectProtocol: true } : {}),
          }
    const tables = options.headerTableSize === undefined ? {} : { headerTableSize: options.headerTableSize }
    const settings = { ...role, ...tables, initialWindowSize: options.streamWindow, maxHeaderListSize: options.maxHeaderListSize }
    this.#writer.frame(FrameType.SETTINGS, 0, 0, encodeSettings(settings))
    const extra = options.connectionWindow - DEFAULT_SETTINGS.initialWindowSize
    if (extra > 0) this.#writer.windowUpdate(0, extra)
    this.#announce()
  }

  headers(stream: Stream, fields: readonly string[], endStream: boolean): void {
    this.#writer.headers(stream.id, this.#encoder.encode(fields), endStream, this.#maxFrameSize)
    if (endStream) this.#ended(stream)
    this.#announce()
  }

  /** True when nothing of the stream is left waiting. */
  data(stream: Stream, bytes: Uint8Array, endStream: boolean): boolean {
    if (bytes.length > 0) stream.queue.push(bytes)
    stream.endQueued = endStream
    this.#pump(stream)
    // What has to wait is a view of a buffer that its owner will fill again.
    const last = stream.queue.length - 1
    const waiting = stream.queue[last]
    if (waiting !== undefined) stream.queue[last] = Buffer.from(waiting)
    return !stream.hasQueued
  }

  trailers(stream: Stream, fields: readonly string[]): void {
    stream.trailers = fields
    stream.endQueued = true
    this.#pump(stream)
  }

  reset(streamId: number, code: number): void {
    this.#writer.resetStream(streamId, code)
    this.#announce()
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#writer.windowUpdate(streamId, increment)
    this.#announce()
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.#writer.ping(payload, ack)
    this.#announce()
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    this.#writer.goaway(lastStreamId, code, debug)
    this.#announce()
  }

  /** The peer's WINDOW_UPDATE. False: overflow. */
  grow(streamId: number, increment: number): boolean {
    if (streamId === 0) {
      if (!this.#window.grow(increment)) return false
      this.#pumpAll()
      return true
    }
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return true
    if (!stream.sendWindow.grow(increment)) return false
    this.#resume(stream)
    return true
  }

  /** Takes over the peer's settings and acknowledges them. False: a stream's window would overflow. */
  applyPeerSettings(before: Settings, after: Settings): boolean {
    this.#maxFrameSize = after.maxFrameSize
    this.#encoder.setMaxTableSize(after.headerTableSize)
    const change = after.initialWindowSize - before.initialWindowSize
    for (const stream of this.#streams.values()) if (!stream.sendWindow.grow(change)) return false
    this.#writer.settingsAck()
    this.#announce()
    if (change > 0) this.#pumpAll()
    return true
  }

  #pumpAll(): void {
    for (const stream of [...this.#streams.values()]) {
      if (this.#window.available === 0) return
      this.#resume(stream)
    }
  }

  #resume(stream: Stream): void {
    if (!stream.hasQueued) return
    this.#pump(stream)
    if (!stream.hasQueued) this.#events.drained(stream.id)
  }

  #pump(stream: Stream): void {
    for (let next = stream.queue[0]; next !== undefined; next = stream.queue[0]) {
      const room = Math.min(this.#maxFrameSize, this.#window.available, stream.sendWindow.available)
      if (room === 0) return
      const piece = next.length <= room ? next : next.subarray(0, room)
      if (piece === next) stream.queue.shift()
      else stream.queue[0] = next.subarray(room)
      const end = stream.endQueued && stream.queue.length === 0 && stream.trailers === undefined
      this.#sendPiece(stream, piece, end)
    }
    this.#finish(stream)
  }

  #sendPiece(stream: Stream, piece: Uint8Array, end: boolean): void {
    this.dataFrames++
    this.#window.spend(piece.length)
    stream.sendWindow.spend(piece.length)
    this.#writer.frame(FrameType.DATA, end ? Flag.END_STREAM : 0, stream.id, piece)
    if (end) {
      stream.endQueued = false
      this.#ended(stream)
    }
    this.#announce()
  }

  /** The queue is empty: what remains is an end that no DATA frame carried. */
  #finish(stream: Stream): void {
    if (!stream.endQueued || !stream.canSend) return
    stream.endQueued = false
    const { trailers } = stream
    if (trailers !== undefined) this.headers(stream, trailers, true)
    else {
      this.#writer.frame(FrameType.DATA, Flag.END_STREAM, stream.id, undefined)
      this.#ended(stream)
      this.#announce()
    }
  }

  #ended(stream: Stream): void {
    stream.state = afterLocalEnd(stream.state)
    if (stream.state === 'closed') this.#events.closed(stream)
    else if (stream.resetsWhenSent) this.#events.sent(stream)
  }

  #announce(): void {
    if (this.#announced) return
    this.#announced = true
    this.#events.output()
  }
}
