// The HTTP/2 connection as a codec: bytes in -> events, calls -> bytes out. No socket, no clock; client-session.ts is the shell.
// Receiving is here; sending is in send-side.ts. One instance per connection, client or server by `role`.
// Invariants: never throws for anything that the peer sends; every violation ends the stream or the connection with the code that
// RFC 9113 names; every DATA byte counts against the connection's window, also those of streams that are gone.
import { ClosedStreams, type StreamEnding } from './closed-streams.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { connectionViolation, ErrorCode, errorName, streamViolation, type Violation } from './error-codes.ts'
import { DEFAULT_FLOOD_LIMITS, FloodGuard } from './flood-guard.ts'
import { ReceiveWindow } from './flow-control.ts'
import { checkLength, contentLength, dependsOnItself, onIdle, onPriority, onStreamZero, sizeOf, unpad } from './frame-rules.ts'
import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_SIZE, Flag, type Frame, FrameReader, FrameType, MAX_STREAM_ID } from './frames.ts'
import { HeaderBlock } from './header-block.ts'
import { malformed } from './header-rules.ts'
import { type FieldList, HpackDecoder } from './hpack-decoder.ts'
import { SendSide } from './send-side.ts'
import { applySettings, DEFAULT_SETTINGS, type Settings } from './settings.ts'
import { afterRemoteEnd, Stream } from './stream.ts'

export interface ConnectionEvents {
  /** The peer's settings, the first time and on each change. */
  settings(settings: Settings): void
  /** A request, a final or interim response, or trailers. */
  headers(streamId: number, fields: FieldList, kind: 'head' | 'interim' | 'trailers', endStream: boolean): void
  /** The bytes are a view: copy what outlives the call. Call `consumed` when done with them. */
  data(streamId: number, bytes: Buffer, endStream: boolean): void
  /** The stream ended early, by the peer's RST_STREAM or by its violation, or with the whole connection. */
  reset(streamId: number, code: number, reason: string, by: 'peer' | 'violation' | 'connection'): void
  /** All that was queued on the stream has been given to the output. */
  drained(streamId: number): void
  /** The peer will process nothing above `lastStreamId`; those streams were provably not processed and have been reset as REFUSED_STREAM. */
  goaway(lastStreamId: number, code: number, debug: string): void
  pong(payload: Buffer): void
  /** The connection cannot go on. The output holds a GOAWAY; write it and close. */
  failed(code: number, reason: string): void
  /** There is output to take; called again only after `takeOutput`. */
  output(): void
}

export class Http2Connection {
  readonly #options: ConnectionOptions
  readonly #events: ConnectionEvents
  readonly #reader = new FrameReader(DEFAULT_MAX_FRAME_SIZE)
  readonly #decoder: HpackDecoder
  readonly #receiveWindow: ReceiveWindow
  readonly #streams = new Map<number, Stream>()
  readonly #send: SendSide
  readonly #closed = new ClosedStreams()
  readonly #floods: FloodGuard
  #peerSettings: Settings = DEFAULT_SETTINGS
  #prefaceDue: boolean
  #settingsDue = true
  #block: HeaderBlock | undefined
  #blocksReceived = 0
  #highestPeerStream = 0
  #nextLocalStream: number
  #goawayLast = MAX_STREAM_ID
  /** Of the peer's streams, by our own GOAWAY. */
  #lastAccepted = MAX_STREAM_ID
  #selfDependent = 0
  #failed = false

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options
    this.#events = events
    this.#decoder = // Less than the default may be exceeded until the peer has heard of it.
      new HpackDecoder(options.maxHeaderListSize, Math.max(options.headerTableSize ?? 0, DEFAULT_SETTINGS.headerTableSize))
    this.#receiveWindow = new ReceiveWindow(options.connectionWindow)
    this.#floods = new FloodGuard(options.floodLimits ?? DEFAULT_FLOOD_LIMITS)
    this.#prefaceDue = options.role === 'server'
    this.#nextLocalStream = options.role === 'client' ? 1 : 2
    this.#send = new SendSide(this.#streams, options.headerTableSize, {
      output: () => events.output(),
      drained: (streamId) => events.drained(streamId),
      closed: (stream) => this.#forget(stream, 'ended'),
      sent: (stream) => this.reset(stream.id, ErrorCode.NO_ERROR),
    })
    this.#send.preface(options)
  }

  get activeStreams(): number {
    return this.#streams.size
  }

  /** Header blocks that came whole: two equal numbers mean that a head which was incomplete at the first is so still. */
  get blocksReceived(): number {
    return this.#blocksReceived
  }

  /** The rest of a header block is awaited: nothing else may come before it (RFC 9113 6.10), so that its sender holds the connection. */
  get awaitsHead(): boolean {
    if (this.#block !== undefined) return true
    const type = this.#reader.partialType
    return type !== undefined && (type === 'unknown' || type === FrameType.HEADERS || type === FrameType.CONTINUATION)
  }

  get failed(): boolean {
    return this.#failed
  }

  /** Something of the stream waits for the peer's windows. */
  hasQueued(streamId: number): boolean {
    return this.#streams.get(streamId)?.hasQueued === true
  }

  /** Whether another stream may be opened now (client): the peer's limit, no GOAWAY, ids left. */
  get canOpen(): boolean {
    const room = this.#streams.size < this.#peerSettings.maxConcurrentStreams && this.#nextLocalStream < MAX_STREAM_ID
    return room && !this.#failed && this.#goawayLast === MAX_STREAM_ID
  }

  /** Everything to be written, as one buffer; undefined for nothing. */
  takeOutput(): Buffer | undefined {
    this.#floods.onTaken()
    return this.#send.take()
  }

  /** What `takeOutput` returned is written through: its memory may be used again. */
  giveBack(taken: Buffer): void {
    this.#send.giveBack(taken)
  }

  // ------------------------------------------------------------------------------------------------------------------ sending

  /** Opens a stream with a request head. Undefined when `canOpen` is false. */
  open(fields: FieldList, endStream: boolean): number | undefined {
    if (!this.canOpen) return undefined
    this.#floods.onStream()
    const stream = this.#newStream(this.#nextLocalStream)
    this.#nextLocalStream += 2
    stream.answersHead = fields[0] === ':method' && fields[1] === 'HEAD'
    this.#send.headers(stream, fields, endStream)
    return stream.id
  }

  /** A response head or an interim one (server). False: the stream is gone. */
  respond(streamId: number, fields: FieldList, endStream: boolean): boolean {
    const stream = this.#streams.get(streamId)
    if (stream === undefined || !stream.canSend) return false
    this.#send.headers(stream, fields, endStream)
    return true
  }

  /** Queues DATA. True when all of it could go out at once; else wait for `drained` before sending more. */
  data(streamId: number, bytes: Uint8Array, endStream: boolean): boolean {
    const stream = this.#streams.get(streamId)
    if (stream === undefined || !stream.canSend || stream.endQueued) return true
    return this.#send.data(stream, bytes, endStream)
  }

  trailers(streamId: number, fields: FieldList): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined || !stream.canSend || stream.endQueued) return
    this.#send.trailers(stream, fields)
  }

  reset(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return
    this.#forget(stream, 'reset')
    this.#send.reset(streamId, code)
  }

  /** All of the answer has been queued and no more of the request is wanted: the stream ends once the answer is out (RFC 9113 8.1). */
  finish(streamId: number): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return
    if (stream.canSend) stream.resetsWhenSent = true
    else this.reset(streamId, ErrorCode.NO_ERROR)
  }

  /** The receiver is done with `bytes` of a stream: the peer may send as many more. */
  consumed(streamId: number, bytes: number): void {
    const stream = this.#streams.get(streamId)
    const increment = stream?.canReceive === true ? stream.receiveWindow.consume(bytes) : 0
    if (increment > 0) this.#send.windowUpdate(streamId, increment)
    this.#credit(bytes)
  }

  ping(payload: Uint8Array): void {
    this.#send.ping(payload, false)
  }

  /** First of two (RFC 9113 6.8): tells the client to open no more, while those that are on their way are still taken. */
  announceShutdown(): void {
    this.#send.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, '')
  }

  /** Announces the end: no new streams; those under way go on. */
  shutdown(code: number = ErrorCode.NO_ERROR, debug = ''): void {
    this.#lastAccepted = this.#highestPeerStream
    this.#send.goaway(this.#highestPeerStream, code, debug)
  }

  // ---------------------------------------------------------------------------------------------------------------- receiving

  receive(bytes: Buffer): void {
    if (this.#failed) return
    this.#reader.push(bytes)
    if (this.#prefaceDue && !this.#takePreface()) return
    for (;;) {
      const frame = this.#reader.next()
      if (frame === undefined) return
      const violation =
        frame === 'too-large'
          ? connectionViolation(ErrorCode.FRAME_SIZE_ERROR, 'a frame exceeds SETTINGS_MAX_FRAME_SIZE (4.2)')
          : this.#frame(frame)
      const streamId = frame === 'too-large' ? 0 : frame.streamId
      if (violation !== undefined) this.#violated(violation, streamId)
      const flood = this.#floods.onOutput(this.#send.waitingFrames)
      if (flood !== undefined) this.#violated(flood, 0)
      if (this.#failed) return
    }
  }

  #takePreface(): boolean {
    const preface = this.#reader.take(CLIENT_PREFACE.length)
    if (preface === undefined) return false
    if (!preface.equals(CLIENT_PREFACE)) {
      this.#violated(connectionViolation(ErrorCode.PROTOCOL_ERROR, 'the client preface is not HTTP/2 (3.4)'), 0)
      return false
    }
    this.#prefaceDue = false
    return true
  }

  #frame(frame: Frame): Violation | undefined {
    if (this.#settingsDue) {
      if (frame.type !== FrameType.SETTINGS || (frame.flags & Flag.ACK) !== 0)
        return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS (3.4)')
      this.#settingsDue = false
    }
    if (this.#block !== undefined && (frame.type !== FrameType.CONTINUATION || frame.streamId !== this.#block.streamId))
      return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'a header block was interrupted (6.10)')
    switch (frame.type) {
      case FrameType.DATA:
        return this.#onData(frame)
      case FrameType.HEADERS:
        return this.#onHeaders(frame)
      case FrameType.PRIORITY:
        return onPriority(frame) ?? this.#floods.onPriority()
      case FrameType.RST_STREAM:
        return this.#onReset(frame)
      case FrameType.SETTINGS:
        return this.#onSettings(frame)
      case FrameType.PUSH_PROMISE:
        return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE although push is disabled (8.4)')
      case FrameType.PING:
        return this.#onPing(frame)
      case FrameType.GOAWAY:
        return this.#onGoaway(frame)
      case FrameType.WINDOW_UPDATE:
        return this.#onWindowUpdate(frame)
      case FrameType.CONTINUATION:
        return this.#onContinuation(frame)
      default:
        return undefined // 5.5: unknown types are ignored
    }
  }

  #onData(frame: Frame): Violation | undefined {
    if (frame.streamId === 0) return onStreamZero('DATA')
    if (this.#isIdle(frame.streamId)) return onIdle('DATA')
    if (!this.#receiveWindow.receive(frame.payload.length))
      return connectionViolation(ErrorCode.FLOW_CONTROL_ERROR, 'DATA exceeds the connection window (6.9.1)')
    const bytes = unpad(frame)
    if (bytes === undefined) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'padding is longer than the frame (6.1)')
    const end = (frame.flags & Flag.END_STREAM) !== 0
    const flood = this.#floods.onPayload(frame.payload.length, end)
    if (flood !== undefined) return flood
    const stream = this.#streams.get(frame.streamId)
    const violation = stream === undefined ? this.#closed.onLateFrame(frame.streamId) : this.#checkData(stream, frame, bytes.length)
    if (stream === undefined || violation !== undefined) {
      this.#credit(frame.payload.length)
      return violation
    }
    const padding = frame.payload.length - bytes.length
    if (padding > 0) this.consumed(stream.id, padding)
    if (end) this.#remoteEnd(stream)
    this.#events.data(stream.id, bytes, end)
    return undefined
  }

  #checkData(stream: Stream, frame: Frame, bytes: number): Violation | undefined {
    if (!stream.canReceive) return streamViolation(ErrorCode.STREAM_CLOSED, 'DATA after END_STREAM (5.1)')
    if (!stream.headReceived) return streamViolation(ErrorCode.PROTOCOL_ERROR, 'DATA before the head (8.1)')
    if (!stream.receiveWindow.receive(frame.payload.length))
      return streamViolation(ErrorCode.FLOW_CONTROL_ERROR, 'DATA exceeds the stream window (6.9.1)')
    stream.receivedBytes += bytes
    return checkLength(stream, (frame.flags & Flag.END_STREAM) !== 0)
  }

  #onHeaders(frame: Frame): Violation | undefined {
    if (frame.streamId === 0) return onStreamZero('HEADERS')
    const unpadded = unpad(frame)
    const priority = (frame.flags & Flag.PRIORITY) !== 0 ? 5 : 0
    if (unpadded === undefined || unpadded.length < priority)
      return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'padding or priority is longer than the frame (6.2)')
    // RFC 7540 5.3.1; priorities themselves are read and ignored (RFC 9113 5.3.2).
    if (priority > 0 && dependsOnItself(unpadded, frame.streamId)) this.#selfDependent = frame.streamId
    const end = (frame.flags & Flag.END_STREAM) !== 0
    const block = new HeaderBlock(
      frame.streamId,
      end,
      priority === 0 ? unpadded : unpadded.subarray(priority),
      2 * this.#options.maxHeaderListSize,
    )
    if ((frame.flags & Flag.END_HEADERS) !== 0) return this.#onBlock(block)
    block.keep()
    this.#block = block
    return undefined
  }

  #onContinuation(frame: Frame): Violation | undefined {
    const block = this.#block
    if (block === undefined) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without HEADERS (6.10)')
    const violation = block.add(frame.payload) ?? this.#floods.onPayload(frame.payload.length, block.endStream)
    if (violation !== undefined || (frame.flags & Flag.END_HEADERS) === 0) return violation
    this.#block = undefined
    return this.#onBlock(block)
  }

  #onBlock(block: HeaderBlock): Violation | undefined {
    // Decoded before anything else is judged: whatever becomes of the stream, the table must follow.
    this.#blocksReceived++
    const decoded = this.#decoder.decode(block.whole())
    if (!decoded.ok) return connectionViolation(ErrorCode.COMPRESSION_ERROR, decoded.reason)
    const stream = this.#streamForHeaders(block.streamId)
    if (!(stream instanceof Stream)) return stream
    if (this.#selfDependent === stream.id) return streamViolation(ErrorCode.PROTOCOL_ERROR, 'a stream depends on itself (RFC 7540 5.3.1)')
    if (!stream.canReceive) return streamViolation(ErrorCode.STREAM_CLOSED, 'HEADERS after END_STREAM (5.1)')
    if (decoded.tooLarge)
      return streamViolation(ErrorCode.ENHANCE_YOUR_CALM, 'the header list exceeds SETTINGS_MAX_HEADER_LIST_SIZE (10.5.1)')
    return this.#onFields(stream, decoded.fields, block.endStream)
  }

  #onFields(stream: Stream, fields: FieldList, end: boolean): Violation | undefined {
    const section = stream.headReceived ? 'trailers' : this.#options.role === 'client' ? 'response' : 'request'
    const problem = malformed(fields, section)
    if (problem !== undefined) return streamViolation(ErrorCode.PROTOCOL_ERROR, problem)
    const interim = section === 'response' && fields[1]?.startsWith('1') === true
    if (interim && end) return streamViolation(ErrorCode.PROTOCOL_ERROR, 'an interim response ends the stream (8.1)')
    if (section === 'trailers' && !end) return streamViolation(ErrorCode.PROTOCOL_ERROR, 'trailers without END_STREAM (8.1)')
    if (!interim && section !== 'trailers') {
      stream.headReceived = true
      const length = contentLength(fields)
      if (length === 'invalid') return streamViolation(ErrorCode.PROTOCOL_ERROR, 'content-length is invalid or contradicts itself (8.1.1)')
      const withoutContent = section === 'response' && (stream.answersHead || fields[1] === '304')
      stream.expectedBytes = withoutContent ? undefined : length
    }
    const violation = checkLength(stream, end)
    if (violation !== undefined) return violation
    if (end) this.#remoteEnd(stream)
    this.#events.headers(stream.id, fields, section === 'trailers' ? 'trailers' : interim ? 'interim' : 'head', end)
    return undefined
  }

  /** The stream that HEADERS belong to: known, or new when the peer may open it; a violation or undefined (ignore) otherwise. */
  #streamForHeaders(streamId: number): Stream | Violation | undefined {
    const known = this.#streams.get(streamId)
    if (known !== undefined) return known
    if (!this.#isIdle(streamId)) {
      if (this.#options.role === 'server' && streamId <= this.#lastAccepted && !this.#closed.has(streamId))
        return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'a new stream has a number below earlier ones (5.1.1)')
      return this.#closed.onLateFrame(streamId)
    }
    if (this.#options.role === 'client' || streamId % 2 === 0) return onIdle('HEADERS')
    this.#highestPeerStream = streamId
    // RFC 9113 6.8: what was sent before our GOAWAY arrived is ignored; the client knows that it was not processed.
    if (streamId > this.#lastAccepted) return undefined
    this.#floods.onStream()
    if (this.#streams.size >= this.#options.maxConcurrentStreams)
      return streamViolation(ErrorCode.REFUSED_STREAM, 'more streams than SETTINGS_MAX_CONCURRENT_STREAMS allows (5.1.2)')
    return this.#newStream(streamId)
  }

  #onReset(frame: Frame): Violation | undefined {
    if (frame.streamId === 0) return onStreamZero('RST_STREAM')
    if (this.#isIdle(frame.streamId)) return onIdle('RST_STREAM')
    const violation = sizeOf(frame, 4, 'connection')
    if (violation !== undefined) return violation
    const stream = this.#streams.get(frame.streamId)
    if (stream === undefined) return undefined
    const code = frame.payload.readUInt32BE(0)
    this.#forget(stream, 'reset-by-peer')
    this.#events.reset(stream.id, code, `the peer reset the stream: ${errorName(code)}`, 'peer')
    return undefined
  }

  #onSettings(frame: Frame): Violation | undefined {
    if (frame.streamId !== 0) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream (6.5)')
    if ((frame.flags & Flag.ACK) !== 0)
      return frame.payload.length === 0
        ? undefined
        : connectionViolation(ErrorCode.FRAME_SIZE_ERROR, 'a SETTINGS acknowledgement has content (6.5)')
    const next = applySettings(this.#peerSettings, frame.payload)
    if ('code' in next) return next
    const windowsHold = this.#send.applyPeerSettings(this.#peerSettings, next)
    if (!windowsHold) return connectionViolation(ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS_INITIAL_WINDOW_SIZE overflows a window (6.9.2)')
    this.#peerSettings = next
    this.#events.settings(next)
    return this.#floods.onReply()
  }

  #onPing(frame: Frame): Violation | undefined {
    if (frame.streamId !== 0) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'PING on a stream (6.7)')
    const violation = sizeOf(frame, 8, 'connection')
    if (violation !== undefined) return violation
    if ((frame.flags & Flag.ACK) !== 0) {
      this.#events.pong(Buffer.from(frame.payload))
      return undefined
    }
    this.#send.ping(frame.payload, true)
    return this.#floods.onReply()
  }

  #onGoaway(frame: Frame): Violation | undefined {
    if (frame.streamId !== 0) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream (6.8)')
    if (frame.payload.length < 8) return connectionViolation(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY is shorter than 8 bytes (6.8)')
    const last = frame.payload.readUInt32BE(0) & MAX_STREAM_ID
    const code = frame.payload.readUInt32BE(4)
    const debug = frame.payload.subarray(8, 8 + 256).toString('utf8')
    // Graceful shutdown sends 2^31-1 first and the real number later; it may only fall.
    this.#goawayLast = Math.min(this.#goawayLast, last, MAX_STREAM_ID - 1)
    for (const stream of [...this.#streams.values()]) {
      if (stream.id <= last || !this.#isLocal(stream.id)) continue
      this.#forget(stream, 'reset')
      this.#events.reset(stream.id, ErrorCode.REFUSED_STREAM, 'the peer went away before processing it', 'peer')
    }
    this.#events.goaway(last, code, debug)
    return undefined
  }

  #onWindowUpdate(frame: Frame): Violation | undefined {
    const violation = sizeOf(frame, 4, 'connection') ?? this.#floods.onWindowUpdate(this.#send.dataFrames)
    if (violation !== undefined) return violation
    if (frame.streamId !== 0 && this.#isIdle(frame.streamId)) return onIdle('WINDOW_UPDATE')
    const increment = frame.payload.readUInt32BE(0) & MAX_STREAM_ID
    const scope = frame.streamId === 0 ? 'connection' : 'stream'
    if (increment === 0) return { scope, code: ErrorCode.PROTOCOL_ERROR, reason: 'WINDOW_UPDATE by 0 (6.9)' }
    const holds = this.#send.grow(frame.streamId, increment)
    return holds ? undefined : { scope, code: ErrorCode.FLOW_CONTROL_ERROR, reason: 'a window exceeds 2^31-1 (6.9.1)' }
  }

  // ---------------------------------------------------------------------------------------------------------------- bookkeeping

  #newStream(id: number): Stream {
    const stream = new Stream(id, this.#peerSettings.initialWindowSize, this.#options.streamWindow)
    this.#streams.set(id, stream)
    return stream
  }

  #remoteEnd(stream: Stream): void {
    stream.state = afterRemoteEnd(stream.state)
    if (stream.state === 'closed') this.#forget(stream, 'ended')
  }

  #forget(stream: Stream, how: StreamEnding): void {
    stream.state = 'closed'
    this.#streams.delete(stream.id)
    this.#closed.add(stream.id, how)
  }

  #isLocal(streamId: number): boolean {
    return (streamId % 2 === 1) === (this.#options.role === 'client')
  }

  #isIdle(streamId: number): boolean {
    return this.#isLocal(streamId) ? streamId >= this.#nextLocalStream : streamId > this.#highestPeerStream
  }

  #credit(bytes: number): void {
    const increment = this.#receiveWindow.consume(bytes)
    if (increment > 0 && !this.#failed) this.#send.windowUpdate(0, increment)
  }

  #violated(violation: Violation, streamId: number): void {
    if (violation.scope === 'connection') return this.fail(violation.code, violation.reason)
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) this.#forget(stream, 'reset')
    else this.#closed.add(streamId, 'reset')
    this.#send.reset(streamId, violation.code)
    if (stream !== undefined) this.#events.reset(streamId, violation.code, violation.reason, 'violation')
    const flood = this.#floods.onReply()
    if (flood !== undefined) this.fail(flood.code, flood.reason)
  }

  /** Ends the connection for a reason that lies outside the codec. */
  fail(code: number, reason: string): void {
    if (this.#failed) return
    this.#failed = true
    this.#send.goaway(this.#highestPeerStream, code, reason)
    const open = [...this.#streams.values()]
    this.#streams.clear()
    for (const stream of open) this.#events.reset(stream.id, code, reason, 'connection')
    this.#events.failed(code, reason)
  }
}
