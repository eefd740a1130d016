// Header blocks to fields (RFC 7541 sections 3 and 6). Called by connection.ts with a whole block, also for streams that are gone:
// every block changes the table that later blocks refer to.
// Invariant: never throws; any malformed block is a failure, which ends the connection (COMPRESSION_ERROR), for the tables have parted.
import { decodeHuffman } from './hpack-huffman.ts'
import { DEFAULT_TABLE_SIZE, DynamicTable, STATIC_ENTRIES, staticName, staticValue } from './hpack-tables.ts'

/** Name, value, name, value, ...; names as sent, values as latin1. */
export type FieldList = readonly string[]

export type DecodedBlock =
  | {
      readonly ok: true
      readonly fields: FieldList /** Too large: `fields` is cut, the table is still right. */
      readonly tooLarge: boolean
    }
  | { readonly ok: false; readonly reason: string }

const NOTHING: Buffer = Buffer.alloc(0)
const FIELD_OVERHEAD = 32
const MAX_INTEGER = 0x0fff_ffff

export class HpackDecoder {
  readonly #table: DynamicTable
  readonly #maxTableSize: number
  readonly #maxListSize: number
  #block: Buffer = NOTHING
  #at = 0
  #problem = ''

  /** @param maxListSize SETTINGS_MAX_HEADER_LIST_SIZE, counted as RFC 9113 6.5.2 does. */
  constructor(maxListSize: number, maxTableSize = DEFAULT_TABLE_SIZE) {
    this.#maxListSize = maxListSize
    this.#maxTableSize = maxTableSize
    // More is in force once the peer has said that it uses it (RFC 7541 4.2).
    this.#table = new DynamicTable(Math.min(maxTableSize, DEFAULT_TABLE_SIZE))
  }

  get tableSize(): number {
    return this.#table.size
  }

  decode(block: Buffer): DecodedBlock {
    this.#block = block
    this.#at = 0
    this.#problem = ''
    const fields: string[] = []
    let listSize = 0
    let tooLarge = false
    while (this.#at < block.length && this.#problem === '') {
      const before = fields.length
      this.#representation(fields)
      if (fields.length === before) continue
      listSize += (fields[before]?.length ?? 0) + (fields[before + 1]?.length ?? 0) + FIELD_OVERHEAD
      if (listSize > this.#maxListSize) {
        tooLarge = true
        fields.length = before
      }
    }
    this.#block = NOTHING
    return this.#problem === '' ? { ok: true, fields, tooLarge } : { ok: false, reason: this.#problem }
  }

  #representation(fields: string[]): void {
    const first = this.#block[this.#at] ?? 0
    if (first >= 0x80) return this.#indexed(fields)
    if (first >= 0x40) return this.#literal(fields, 6, true)
    if (first >= 0x20) return this.#tableSizeUpdate(fields)
    this.#literal(fields, 4, false)
  }

  #indexed(fields: string[]): void {
    const index = this.#integer(7)
    if (index === 0) return this.#fail('index 0 is not used (RFC 7541 6.1)')
    if (index <= STATIC_ENTRIES) fields.push(staticName(index), staticValue(index))
    else if (this.#inTable(index)) fields.push(this.#table.name(index - STATIC_ENTRIES - 1), this.#table.value(index - STATIC_ENTRIES - 1))
  }

  #literal(fields: string[], prefix: number, indexed: boolean): void {
    const index = this.#integer(prefix)
    const name = index === 0 ? this.#string() : this.#nameAt(index)
    const value = this.#string()
    if (this.#problem !== '') return
    fields.push(name, value)
    if (indexed) this.#table.insert(name, value)
  }

  #tableSizeUpdate(fields: readonly string[]): void {
    const size = this.#integer(5)
    if (fields.length > 0) return this.#fail('a table size update must come first in a block (RFC 7541 4.2)')
    if (size > this.#maxTableSize) return this.#fail(`table size ${size} is above the setting ${this.#maxTableSize} (RFC 7541 6.3)`)
    this.#table.resize(size)
  }

  #nameAt(index: number): string {
    if (index <= STATIC_ENTRIES) return staticName(index)
    return this.#inTable(index) ? this.#table.name(index - STATIC_ENTRIES - 1) : ''
  }

  #inTable(index: number): boolean {
    if (index <= STATIC_ENTRIES + this.#table.entries) return true
    this.#fail(`index ${index} is beyond the table (RFC 7541 2.3.3)`)
    return false
  }

  /** RFC 7541 5.1, capped: no length or index in a real block is larger. */
  #integer(prefix: number): number {
    const mask = (1 << prefix) - 1
    let value = (this.#block[this.#at++] ?? 0) & mask
    if (value < mask) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#block[this.#at++]
      if (byte === undefined) return this.#badInteger('ends early')
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value <= MAX_INTEGER ? value : this.#badInteger('is too large')
    }
    return this.#badInteger('is too large')
  }

  #badInteger(how: string): number {
    this.#fail(`an integer ${how} (RFC 7541 5.1)`)
    return 0
  }

  #string(): string {
    if (this.#problem !== '') return ''
    const huffman = (this.#block[this.#at] ?? 0) >= 0x80
    if (this.#at >= this.#block.length) return this.#badString('ends early')
    const length = this.#integer(7)
    const start = this.#at
    const end = start + length
    if (end > this.#block.length) return this.#badString('ends early')
    this.#at = end
    if (!huffman) return this.#block.toString('latin1', start, end)
    return decodeHuffman(this.#block, start, end) ?? this.#badString('has an invalid Huffman code')
  }

  #badString(how: string): string {
    this.#fail(`a string ${how} (RFC 7541 5.2)`)
    return ''
  }

  #fail(reason: string): void {
    if (this.#problem === '') this.#problem = reason
  }
}
