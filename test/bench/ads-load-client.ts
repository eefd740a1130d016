// One simulated proxy for the control plane's bench: delta ADS over HTTP/2 in plaintext, subscribing as Envoy does (clusters, their
// endpoints by name, listeners, their routes by name, all virtual hosts), acknowledging everything. On a bare socket, because thousands of them share a
// process and must cost less than what they measure. What it holds is kept as states that equal clients share.
import { connect, type Socket } from 'node:net'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import type { DeltaDiscoveryRequest, Node } from '../../src/envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, DELTA_ADS_PATH, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../../src/envoy/type-urls.ts'

export type Versions = ReadonlyMap<string, string>

export interface LoadClientEvents {
  /** A response has been applied. */
  response(client: AdsLoadClient, typeUrl: string): void
  closed(client: AdsLoadClient, why: string): void
}

const TYPES = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE]
const NOTHING: Versions = new Map()
/** Envoy's defaults. */
const STREAM_WINDOW = 16 * 1024 * 1024
const CONNECTION_WINDOW = 24 * 1024 * 1024
const UPDATE_AFTER = 4 * 1024 * 1024

const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return frame(WINDOW_UPDATE, 0, stream, payload)
}

/** HPACK without tables: literals, never Huffman (RFC 7541 6.2.2). */
function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function opening(): Buffer {
  const settings = Buffer.alloc(6)
  settings.writeUInt16BE(4, 0)
  settings.writeUInt32BE(STREAM_WINDOW, 2)
  const headers = headerBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', DELTA_ADS_PATH],
    [':authority', 'istiod'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ])
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(SETTINGS, 0, 0, settings),
    windowUpdate(0, CONNECTION_WINDOW - 65_535),
    frame(HEADERS, 4, 1, headers),
  ])
}

const NO_BYTES = Buffer.alloc(0)
const OPENING = opening()

/** One for all: what is kept is copied out of it. */
const READ_BUFFER = Buffer.alloc(256 * 1024)

/** Buffers of messages that have been read, for the next. */
const spare: Buffer[] = []

function takeBuffer(length: number): Buffer {
  const at = spare.findIndex((buffer) => buffer.length >= length)
  if (at !== -1) for (const buffer of spare.splice(at, 1)) return buffer
  spare.length = Math.min(spare.length, 50)
  return Buffer.allocUnsafeSlow(Math.max(4096, 2 ** Math.ceil(Math.log2(length))))
}

export class AdsLoadClient {
  readonly number: number
  readonly node: Node
  readonly held = new Map<string, Versions>()
  bytes = 0
  /** Every subscription has been answered. */
  synced = false
  readonly #events: LoadClientEvents
  readonly #named = new Map<string, Set<string>>()
  readonly #answered = new Set<string>()
  #socket: Socket | undefined
  #pending: Buffer = Buffer.alloc(0)
  /** Of the DATA frame that is being read. */
  #dataLeft = 0
  readonly #head = Buffer.alloc(5)
  #headBytes = 0
  #message: Buffer | undefined
  #messageLength = 0
  #messageBytes = 0
  #unacknowledged = 0
  #first = true

  constructor(number: number, node: AdsLoadClient['node'], events: LoadClientEvents) {
    this.number = number
    this.node = node
    this.#events = events
  }

  connect(port: number): void {
    this.#pending = Buffer.alloc(0)
    this.#dataLeft = 0
    this.#message = undefined
    this.#headBytes = 0
    this.#messageBytes = 0
    this.#unacknowledged = 0
    this.#first = true
    this.synced = false
    this.#answered.clear()
    this.#named.clear()
    const onread = {
      buffer: READ_BUFFER,
      callback: (length: number, buffer: Uint8Array) => {
        this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        return true
      },
    }
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
    this.#socket = socket
    let why = 'closed'
    socket.on('error', (error) => {
      why = error.message
    })
    socket.on('close', () => this.#events.closed(this, why))
    socket.on('connect', () => socket.write(OPENING))
  }

  close(): void {
    this.#socket?.removeAllListeners('close')
    this.#socket?.destroy()
  }

  #subscribe(typeUrl: string, names: readonly string[]): void {
    this.#named.set(typeUrl, new Set(names))
    this.#send({ typeUrl, resourceNamesSubscribe: names }, initialVersions(this.held.get(typeUrl) ?? NOTHING))
  }

  /** @param more fields already encoded: messages one after the other are one message. */
  #send(request: DeltaDiscoveryRequest, more: Uint8Array = NO_BYTES): void {
    const message = encodeRequest({ ...(this.#first ? { node: this.node } : {}), ...request })
    this.#first = false
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length + more.length, 1)
    const all = Buffer.concat([head, message, more])
    // The server's window for us is a megabyte after its settings; requests of one stream stay below it in this bench.
    for (let at = 0; at < all.length; at += 16_384) this.#socket?.write(frame(DATA, 0, 1, all.subarray(at, at + 16_384)))
  }

  #read(chunk: Buffer): void {
    this.bytes += chunk.length
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = Buffer.alloc(0)
    while (bytes.length > 0) {
      if (this.#dataLeft > 0) {
        const part = bytes.subarray(0, this.#dataLeft)
        this.#dataLeft -= part.length
        this.#take(part)
        bytes = bytes.subarray(part.length)
        continue
      }
      if (bytes.length < 9) break
      const length = bytes.readUIntBE(0, 3)
      const type = bytes[3]
      if (type === DATA) {
        this.#dataLeft = length
        this.#consumed(length)
        bytes = bytes.subarray(9)
        continue
      }
      if (bytes.length < 9 + length) break
      this.#control(type ?? 0, bytes[4] ?? 0, bytes.subarray(9, 9 + length))
      bytes = bytes.subarray(9 + length)
    }
    // The read buffer is everybody's.
    this.#pending = Buffer.from(bytes)
  }

  #control(type: number, flags: number, payload: Buffer): void {
    if (type === SETTINGS && (flags & 1) === 0) {
      this.#socket?.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)))
      // Only now is the window large enough for a list of all that is held.
      if (this.#first) this.#subscribe(CLUSTER_TYPE, [])
    }
    if (type === PING && (flags & 1) === 0) this.#socket?.write(frame(PING, 1, 0, payload))
    else if (type === GOAWAY || (type === HEADERS && (flags & 1) === 1)) this.#socket?.destroy()
  }

  #consumed(bytes: number): void {
    this.#unacknowledged += bytes
    if (this.#unacknowledged < UPDATE_AFTER) return
    this.#socket?.write(Buffer.concat([windowUpdate(0, this.#unacknowledged), windowUpdate(1, this.#unacknowledged)]))
    this.#unacknowledged = 0
  }

  #take(part: Buffer): void {
    let rest = part
    while (rest.length > 0) {
      if (this.#message === undefined) {
        const wanted = 5 - this.#headBytes
        rest.copy(this.#head, this.#headBytes, 0, wanted)
        this.#headBytes += Math.min(wanted, rest.length)
        rest = rest.subarray(wanted)
        if (this.#headBytes < 5) return
        this.#messageLength = this.#head.readUInt32BE(1)
        this.#message = takeBuffer(this.#messageLength)
        this.#messageBytes = 0
      }
      const copied = rest.copy(this.#message, this.#messageBytes, 0, this.#messageLength - this.#messageBytes)
      this.#messageBytes += copied
      rest = rest.subarray(copied)
      if (this.#messageBytes === this.#messageLength) {
        const whole = this.#message
        this.#message = undefined
        this.#headBytes = 0
        this.#apply(whole.subarray(0, this.#messageLength))
        spare.push(whole)
      }
    }
  }

  #apply(bytes: Buffer): void {
    const response = skim(bytes)
    const { typeUrl } = response
    const held = applied(this.held.get(typeUrl) ?? NOTHING, response)
    this.held.set(typeUrl, held)
    this.#answered.add(typeUrl)
    this.#send({ typeUrl, responseNonce: response.nonce })
    if (typeUrl === CLUSTER_TYPE)
      this.#wants(
        ENDPOINT_TYPE,
        [...held.keys()].filter((name) => name.startsWith('outbound|')),
      )
    if (typeUrl === ENDPOINT_TYPE && !this.#named.has(LISTENER_TYPE)) this.#subscribe(LISTENER_TYPE, [])
    if (typeUrl === LISTENER_TYPE) this.#wants(ROUTE_TYPE, routeTables(held))
    // Envoy asks for all virtual hosts as soon as one route table says so, and for all again when it comes back.
    if (typeUrl === ROUTE_TYPE && held.size > 0 && !this.#named.has(VIRTUAL_HOST_TYPE)) this.#subscribe(VIRTUAL_HOST_TYPE, [])
    this.synced = TYPES.every((each) => this.#answered.has(each))
    this.#events.response(this, typeUrl)
  }

  #wants(typeUrl: string, names: readonly string[]): void {
    const known = this.#named.get(typeUrl)
    if (known === undefined) return this.#subscribe(typeUrl, names)
    const added = names.filter((name) => !known.has(name))
    if (added.length === 0) return
    for (const name of added) known.add(name)
    this.#send({ typeUrl, resourceNamesSubscribe: added })
  }
}

function encodeRequest(request: DeltaDiscoveryRequest): Uint8Array {
  return fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request)
}

const listed = new WeakMap<Versions, Uint8Array>()
const entries = new Map<string, Uint8Array>()

/** initial_resource_versions: one list for all clients that hold the same, and every entry encoded once. Two thousand real proxies have two
 *  thousand processors for this; here one would be measured instead of the control plane. */
function initialVersions(held: Versions): Uint8Array {
  const known = listed.get(held) ?? Buffer.concat([...held].sort(([a], [b]) => (a < b ? -1 : 1)).map(entryBytes))
  listed.set(held, known)
  return known
}

function entryBytes([name, version]: readonly [string, string]): Uint8Array {
  const key = `${name} ${version}`
  const known = entries.get(key) ?? encodeRequest({ initialResourceVersions: { [name]: version } })
  entries.set(key, known)
  return known
}

function routeTables(listeners: Versions): readonly string[] {
  return [...listeners.keys()].flatMap((name) => /^0\.0\.0\.0_(\d+)$/.exec(name)?.[1] ?? [])
}

export interface Skimmed {
  readonly typeUrl: string
  readonly nonce: string
  readonly changed: readonly (readonly [name: string, version: string])[]
  readonly removed: readonly string[]
}

/** Names and versions; the resources themselves are stepped over. */
export function skim(bytes: Buffer): Skimmed {
  const changed: (readonly [string, string])[] = []
  const removed: string[] = []
  let typeUrl = ''
  let nonce = ''
  for (const [number, from, to] of fieldsOf(bytes, 0, bytes.length)) {
    if (number === 2) {
      let name = ''
      let version = ''
      for (const [inner, start, end] of fieldsOf(bytes, from, to)) {
        if (inner === 1) version = bytes.toString('latin1', start, end)
        else if (inner === 3) name = bytes.toString('latin1', start, end)
      }
      changed.push([name, version])
    } else if (number === 4) typeUrl = bytes.toString('latin1', from, to)
    else if (number === 5) nonce = bytes.toString('latin1', from, to)
    else if (number === 6) removed.push(bytes.toString('latin1', from, to))
  }
  return { typeUrl, nonce, changed, removed }
}

function* fieldsOf(bytes: Buffer, from: number, to: number): Generator<readonly [number, number, number]> {
  let at = from
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < to) {
    const key = varint()
    if ((key & 7) !== 2) {
      varint()
      continue
    }
    const length = varint()
    yield [key >> 3, at, at + length]
    at += length
  }
}

/** State before -> difference -> state after, one object for all clients that took the same step. */
const steps = new WeakMap<Versions, Map<string, WeakRef<Versions>>>()

function applied(before: Versions, { changed, removed }: Skimmed): Versions {
  if (changed.length + removed.length === 0) return before
  const known = steps.get(before) ?? new Map<string, WeakRef<Versions>>()
  steps.set(before, known)
  let hash = 17
  for (const [name, version] of changed) hash = mix(mix(hash, name), version)
  for (const name of removed) hash = mix(hash, name)
  const key = `${changed.length} ${removed.length} ${hash}`
  const same = known.get(key)?.deref()
  if (same !== undefined) return same
  const after = new Map(before)
  for (const [name, version] of changed) after.set(name, version)
  for (const name of removed) after.delete(name)
  known.set(key, new WeakRef(after))
  return after
}

function mix(hash: number, text: string): number {
  let mixed = hash
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193)
  return mixed
}
