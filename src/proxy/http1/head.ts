// A parsed message head: the text as it came, and where each field is. Nothing is copied out until somebody asks.
// One head belongs to one connection and is used again for its next message, so whoever keeps a value beyond the exchange takes the
// string, not the head. Invariant: after a successful parse the fields are contiguous lines, field i ends where field i + 1 begins.
import type { HeadView } from '../telemetry/outcome.ts'
import { equalsIgnoreCase } from './characters.ts'
import { FIELD_KINDS, type FieldKind } from './fields.ts'
import { isOneValue } from './one-value-fields.ts'

/** Numbers per field: kind, name start, name end, value start, value end. */
const STRIDE = 5

export class MessageHead implements HeadView {
  text = ''
  fieldCount = 0
  /** Where the first field begins, and where the last one ends (the empty line). */
  fieldsStart = 0
  fieldsEnd = 0
  /** HTTP/1.minor. */
  minorVersion = 1
  /** -1: no Content-Length. */
  contentLength = -1
  chunked = false
  /** Connection options, as far as they steer this hop. */
  closeOption = false
  keepAliveOption = false
  upgradeOption = false
  /** Further fields that Connection names: they end at this hop (RFC 9110 7.6.1). Undefined for nearly all messages. */
  hopFields: string[] | undefined

  // Requests.
  method = ''
  target = ''
  // Responses.
  status = 0

  readonly #offsets: number[] = []
  readonly #first = new Int16Array(FIELD_KINDS)

  reset(text: string): void {
    this.text = text
    this.fieldCount = 0
    this.contentLength = -1
    this.chunked = false
    this.closeOption = false
    this.keepAliveOption = false
    this.upgradeOption = false
    this.hopFields = undefined
    this.#first.fill(-1)
  }

  /** Returns the field's index. */
  add(kind: FieldKind, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): number {
    const index = this.fieldCount++
    const at = index * STRIDE
    const offsets = this.#offsets
    offsets[at] = kind
    offsets[at + 1] = nameStart
    offsets[at + 2] = nameEnd
    offsets[at + 3] = valueStart
    offsets[at + 4] = valueEnd
    if (kind !== 0 && this.#first[kind] === -1) this.#first[kind] = index
    return index
  }

  /** Index of the first field of this kind, or -1. */
  first(kind: FieldKind): number {
    return this.#first[kind] ?? -1
  }

  has(kind: FieldKind): boolean {
    return this.first(kind) !== -1
  }

  kindAt(index: number): number {
    return this.#offsets[index * STRIDE] ?? 0
  }

  lineStart(index: number): number {
    return index < this.fieldCount ? (this.#offsets[index * STRIDE + 1] ?? this.fieldsEnd) : this.fieldsEnd
  }

  nameAt(index: number): string {
    const at = index * STRIDE
    return this.text.slice(this.#offsets[at + 1], this.#offsets[at + 2])
  }

  valueAt(index: number): string {
    const at = index * STRIDE
    return this.text.slice(this.#offsets[at + 3], this.#offsets[at + 4])
  }

  /** Value of the first field of this kind, or undefined. */
  value(kind: FieldKind): string | undefined {
    const index = this.first(kind)
    return index === -1 ? undefined : this.valueAt(index)
  }

  isNamed(index: number, lowerName: string): boolean {
    const at = index * STRIDE
    const start = this.#offsets[at + 1] ?? 0
    return (this.#offsets[at + 2] ?? 0) - start === lowerName.length && equalsIgnoreCase(this.text, start, lowerName)
  }

  /** Whether any field of that name passes; undefined when there is none. */
  test(lowerName: string, test: (value: string) => boolean): boolean | undefined {
    let passes: boolean | undefined
    for (let index = 0; index < this.fieldCount; index++) {
      if (!this.isNamed(index, lowerName)) continue
      if (test(this.valueAt(index))) return true
      passes = false
    }
    return passes
  }

  get(lowerName: string): string | undefined {
    let value: string | undefined
    for (let index = 0; index < this.fieldCount; index++) {
      if (this.isNamed(index, lowerName)) value = value === undefined ? this.valueAt(index) : `${value},${this.valueAt(index)}`
    }
    return value
  }

  firstLine(lowerName: string): string | undefined {
    if (isOneValue(lowerName)) return this.get(lowerName)
    for (let index = 0; index < this.fieldCount; index++) if (this.isNamed(index, lowerName)) return this.valueAt(index)
    return undefined
  }
}
