// protobuf's wire primitives, written from the end of one growing buffer towards its front: when a message's length is
// needed, its content is already there, so nothing is measured twice and nothing is moved.
import * as kinds from './schema.ts'

const INITIAL_SIZE = 64 * 1024
const SHORT_STRING = 24

export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE)
  #pos = INITIAL_SIZE

  /** Bytes written so far; the difference of two is the length of what was written between them. */
  get written(): number {
    return this.#bytes.length - this.#pos
  }

  reset(): void {
    this.#pos = this.#bytes.length
  }

  /** A copy of everything written. */
  finish(): Buffer {
    const result = Buffer.allocUnsafe(this.written)
    this.#bytes.copy(result, 0, this.#pos)
    return result
  }

  varint32(value: number): void {
    if (value < 0x80) {
      this.#reserve(1)
      this.#bytes[--this.#pos] = value
      return
    }
    this.#reserve(5)
    const size = value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
    let at = this.#pos - size
    this.#pos = at
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.#bytes[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[at] = rest
  }

  /** Unsigned; a negative number must be given as its 64-bit complement. */
  varint64(value: bigint): void {
    if (value < 0x1_0000_0000n) {
      this.varint32(Number(value))
      return
    }
    const bytes: number[] = []
    let rest = value
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    bytes.push(Number(rest))
    this.raw(bytes)
  }

  /** Negative numbers take ten bytes, as protobuf's int32 and int64 do. */
  integer(value: number): void {
    if (value >= 0 && value <= 0xffffffff) this.varint32(value)
    else this.varint64(BigInt.asUintN(64, BigInt(value)))
  }

  raw(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length)
    this.#pos -= bytes.length
    this.#bytes.set(bytes, this.#pos)
  }

  /** The bytes and their length. */
  bytes(bytes: Uint8Array): void {
    this.raw(bytes)
    this.varint32(bytes.length)
  }

  string(value: string): void {
    if (value.length > SHORT_STRING || !this.#ascii(value)) {
      const size = Buffer.byteLength(value)
      this.#reserve(size)
      this.#pos -= size
      this.#bytes.write(value, this.#pos, size, size === value.length ? 'latin1' : 'utf8')
      this.varint32(size)
    } else this.varint32(value.length)
  }

  fixed(kind: number, value: number): void {
    const size = kinds.wireTypeOf(kind) === kinds.FIXED_32 ? 4 : 8
    this.#reserve(size)
    this.#pos -= size
    if (kind === kinds.DOUBLE) this.#bytes.writeDoubleLE(value, this.#pos)
    else if (kind === kinds.FLOAT) this.#bytes.writeFloatLE(value, this.#pos)
    else if (kind === kinds.FIXED32) this.#bytes.writeUInt32LE(value, this.#pos)
    else if (kind === kinds.SFIXED32) this.#bytes.writeInt32LE(value, this.#pos)
    else if (kind === kinds.FIXED64) this.#bytes.writeBigUInt64LE(BigInt(value), this.#pos)
    else this.#bytes.writeBigInt64LE(BigInt(value), this.#pos)
  }

  /** Writes the characters, or nothing when one of them is not ASCII. */
  #ascii(value: string): boolean {
    this.#reserve(value.length)
    const start = this.#pos - value.length
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 127) return false
      this.#bytes[start + index] = code
    }
    this.#pos = start
    return true
  }

  #reserve(count: number): void {
    if (this.#pos >= count) return
    const { written } = this
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, written + count))
    this.#bytes.copy(grown, grown.length - written, this.#pos)
    this.#pos = grown.length - written
    this.#bytes = grown
  }
}
