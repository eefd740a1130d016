// protobuf's wire primitives over one array. Every read is checked against the end of the message it belongs to, so that a
// lying length can neither read a neighbour's bytes nor loop.
import * as kinds from './schema.ts'

/** Private to the binary decoder, which turns it into a problem. */
export class MalformedBytes extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** Below this, building a string by hand beats the call into C++. */
const SHORT_STRING = 20

export class ByteReader {
  pos = 0
  readonly end: number
  readonly #bytes: Buffer

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.end = bytes.byteLength
  }

  malformed(message: string): MalformedBytes {
    return new MalformedBytes(message, this.pos)
  }

  tag(end: number): number {
    const tag = this.varint32(end)
    if (tag >>> 3 === 0) throw this.malformed('field number 0')
    return tag
  }

  /** Reads a length and returns where what it measures ends. */
  length(end: number): number {
    const length = this.varint32(end)
    const stop = this.pos + length
    if (stop > end) throw this.malformed(`a length of ${length} runs past its message`)
    return stop
  }

  /** The low 32 bits, unsigned; a negative int32 is sent as ten bytes. */
  varint32(end: number): number {
    const bytes = this.#bytes
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= end) throw this.malformed('the message ends inside a number')
      const byte = bytes[this.pos++] ?? 0
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw this.malformed('a number of more than ten bytes')
  }

  int32(end: number): number {
    return this.varint32(end) | 0
  }

  int64(end: number): number {
    const small = this.#smallVarint(end)
    return small >= 0 ? small : this.#safe(BigInt.asIntN(64, this.#longVarint(end)))
  }

  scalar(kind: number, end: number): unknown {
    switch (kind) {
      case kinds.BOOL:
        return this.#bool(end)
      case kinds.UINT32:
        return this.varint32(end)
      case kinds.INT32:
        return this.int32(end)
      case kinds.SINT32: {
        const value = this.varint32(end)
        return (value >>> 1) ^ -(value & 1)
      }
      case kinds.INT64:
        return this.int64(end)
      case kinds.UINT64: {
        const small = this.#smallVarint(end)
        return small >= 0 ? small : this.#safe(this.#longVarint(end))
      }
      case kinds.SINT64: {
        const value = this.#longVarint(end)
        return this.#safe((value >> 1n) ^ -(value & 1n))
      }
      case kinds.BYTES: {
        const stop = this.length(end)
        return this.bytes(stop)
      }
      case kinds.STRING:
        return this.string(end)
      default:
        return this.#fixed(kind, end)
    }
  }

  string(end: number): string {
    const stop = this.length(end)
    const bytes = this.#bytes
    const start = this.pos
    this.pos = stop
    if (stop - start > SHORT_STRING) return bytes.toString('utf8', start, stop)
    let text = ''
    for (let index = start; index < stop; index++) {
      const byte = bytes[index] ?? 0
      if (byte > 127) return bytes.toString('utf8', start, stop)
      text += String.fromCharCode(byte)
    }
    return text
  }

  /** A copy, so that a small value does not keep a whole response alive. */
  bytes(stop: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.raw(stop))
  }

  /** A view, for values that are decoded or dropped at once. */
  raw(stop: number): Uint8Array {
    const { buffer, byteOffset } = this.#bytes
    const start = this.pos
    this.pos = stop
    return new Uint8Array(buffer, byteOffset + start, stop - start)
  }

  skip(wireType: number, end: number): void {
    if (wireType === kinds.VARINT) this.varint32(end)
    else if (wireType === kinds.LENGTH) this.pos = this.length(end)
    else if (wireType === kinds.FIXED_64) this.#advance(8, end)
    else if (wireType === kinds.FIXED_32) this.#advance(4, end)
    else throw this.malformed(`wire type ${wireType}`)
  }

  /** Whether the skipped value that began at `start` is all zeros, or an empty length. */
  isZero(wireType: number, start: number): boolean {
    if (wireType === kinds.LENGTH) return this.#bytes[start] === 0
    for (let index = start; index < this.pos; index++)
      if (((this.#bytes[index] ?? 0) & (wireType === kinds.VARINT ? 0x7f : 0xff)) !== 0) return false
    return true
  }

  #advance(count: number, end: number): number {
    const start = this.pos
    if (start + count > end) throw this.malformed('the message ends inside a number')
    this.pos = start + count
    return start
  }

  #fixed(kind: number, end: number): number {
    const bytes = this.#bytes
    switch (kind) {
      case kinds.DOUBLE:
        return bytes.readDoubleLE(this.#advance(8, end))
      case kinds.FLOAT:
        return bytes.readFloatLE(this.#advance(4, end))
      case kinds.FIXED32:
        return bytes.readUInt32LE(this.#advance(4, end))
      case kinds.SFIXED32:
        return bytes.readInt32LE(this.#advance(4, end))
      case kinds.FIXED64:
        return this.#safe(bytes.readBigUInt64LE(this.#advance(8, end)))
      case kinds.SFIXED64:
        return this.#safe(bytes.readBigInt64LE(this.#advance(8, end)))
      default:
        throw this.malformed(`kind ${kind} is not a scalar`)
    }
  }

  #safe(value: bigint): number {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw this.malformed(`${value} is outside the range of whole numbers that JavaScript keeps exact`)
    return number
  }

  #bool(end: number): boolean {
    const small = this.#smallVarint(end)
    return small >= 0 ? small !== 0 : this.#longVarint(end) !== 0n
  }

  /** Nearly every number is below 2^28 and needs no bigint; -1, with nothing read, for the others. */
  #smallVarint(end: number): number {
    const start = this.pos
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.pos >= end) throw this.malformed('the message ends inside a number')
      const byte = this.#bytes[this.pos++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    this.pos = start
    return -1
  }

  #longVarint(end: number): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.pos >= end) throw this.malformed('the message ends inside a number')
      const byte = this.#bytes[this.pos++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw this.malformed('a number of more than ten bytes')
  }
}
