// Fields to a header block (RFC 7541 section 6). Called by connection.ts, one block at a time, in the order of sending.
// Invariant: our table equals the one that the peer's decoder holds; credentials are never indexed (7.1.3), so that neither table nor
// compression ratio gives them away.
import { encodeHuffman, huffmanLength } from './hpack-huffman.ts'
import { DEFAULT_TABLE_SIZE, DynamicTable, findStaticField, findStaticName, STATIC_ENTRIES } from './hpack-tables.ts'

const NEVER_INDEXED = new Set(['authorization', 'cookie', 'set-cookie', 'proxy-authorization'])
/** Values that differ in every message would only push useful entries out. */
const NOT_WORTH_INDEXING = new Set([':path', 'content-length', 'date', 'x-request-id', 'grpc-timeout', 'traceparent'])

export class HpackEncoder {
  readonly #table = new DynamicTable(DEFAULT_TABLE_SIZE)
  /** Smallest and last size set since the previous block: both must be announced (RFC 7541 4.2). */
  #pendingSizes: number[] = []
  #buffer = Buffer.allocUnsafe(1024)
  #at = 0

  readonly #limit: number

  /** @param limit most that we use of what the peer allows. */
  constructor(limit = DEFAULT_TABLE_SIZE) {
    this.#limit = limit
    this.setMaxTableSize(DEFAULT_TABLE_SIZE)
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setMaxTableSize(size: number): void {
    const target = Math.min(size, this.#limit)
    if (target === this.#table.maxSize) return
    this.#table.resize(target)
    const smallest = Math.min(target, ...this.#pendingSizes)
    this.#pendingSizes = smallest === target ? [target] : [smallest, target]
  }

  /** @param fields name, value, name, value, ...; names lower-case.
   *  @returns a view that holds until the next block is encoded: it is copied into the frame at once. */
  encode(fields: readonly string[]): Buffer {
    this.#at = 0
    this.#reserve(16)
    if (this.#pendingSizes.length > 0) {
      for (const size of this.#pendingSizes) this.#integer(0x20, 5, size)
      this.#pendingSizes = []
    }
    for (let at = 0; at < fields.length; at += 2) this.#field(fields[at] ?? '', fields[at + 1] ?? '')
    return this.#buffer.subarray(0, this.#at)
  }

  #field(name: string, value: string): void {
    // Two integers of at most six bytes and two strings; a raw string is never longer than its text.
    this.#reserve(name.length + value.length + 16)
    if (NEVER_INDEXED.has(name)) return this.#literal(0x10, 4, findStaticName(name), name, value)
    const whole = findStaticField(name, value)
    if (whole > 0) return this.#integer(0x80, 7, whole)
    const position = this.#table.find(name, value)
    if (position >= 0) return this.#integer(0x80, 7, STATIC_ENTRIES + 1 + position)
    const nameIndex = findStaticName(name) || (position <= -2 ? STATIC_ENTRIES + 1 + (-2 - position) : 0)
    if (NOT_WORTH_INDEXING.has(name)) return this.#literal(0x00, 4, nameIndex, name, value)
    this.#literal(0x40, 6, nameIndex, name, value)
    this.#table.insert(name, value)
  }

  #literal(pattern: number, prefix: number, nameIndex: number, name: string, value: string): void {
    this.#integer(pattern, prefix, nameIndex)
    if (nameIndex === 0) this.#string(name)
    this.#string(value)
  }

  #integer(pattern: number, prefix: number, value: number): void {
    const mask = (1 << prefix) - 1
    if (value < mask) {
      this.#buffer[this.#at++] = pattern | value
      return
    }
    this.#buffer[this.#at++] = pattern | mask
    let rest = value - mask
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#at++] = rest
  }

  #string(text: string): void {
    const coded = huffmanLength(text)
    if (coded < text.length) {
      this.#integer(0x80, 7, coded)
      this.#at = encodeHuffman(text, this.#buffer, this.#at)
      return
    }
    this.#integer(0x00, 7, text.length)
    this.#at += this.#buffer.write(text, this.#at, 'latin1')
  }

  #reserve(bytes: number): void {
    if (this.#buffer.length - this.#at >= bytes) return
    const grown = Buffer.allocUnsafe(2 * (this.#buffer.length + bytes))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }
}
