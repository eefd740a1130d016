// Messages to bytes, by the table. The control plane encodes every resource with it, so it makes no closures and no
// intermediate objects; one writer and one stack of fields serve all calls (encoding never waits, so calls never overlap).
// Invariant: equal messages give equal bytes: fields by number, map keys sorted, zeros left out where zero means absent.
import { LateenError } from '../../base/errors.ts'
import { ByteWriter } from './byte-writer.ts'
import { Path } from './path.ts'
import { MAX_DEPTH } from './report.ts'
import type { FieldSchema, MessageSchema, Schema } from './schema.ts'
import * as kinds from './schema.ts'
import { splitDuration, splitTimestamp } from './time-values.ts'
import { wellKnownField } from './well-known.ts'

type Source = Readonly<Record<string, unknown>>

/** The buffer is not kept when one message made it larger than this. */
const KEPT_BYTES = 8 * 1024 * 1024

export class BinaryEncoder {
  readonly #schema: Schema
  #writer = new ByteWriter()
  #path = new Path()
  /** Fields of all messages that are open, lowest number first within one message. */
  readonly #fields: FieldSchema[] = []
  #depth = 0

  constructor(schema: Schema) {
    this.#schema = schema
  }

  /** Throws LateenError ENVOY_ENCODE, with the path, for a value that the table cannot express: a mistake of the caller, not of a user. */
  encode(type: MessageSchema, message: object): Buffer {
    this.#writer.reset()
    this.#path = new Path()
    this.#fields.length = 0
    this.#depth = 0
    this.#message(type, record(message) ?? {}, false)
    const bytes = this.#writer.finish()
    if (bytes.length > KEPT_BYTES) this.#writer = new ByteWriter()
    return bytes
  }

  #refuse(reason: string): never {
    throw new LateenError('ENVOY_ENCODE', `cannot encode ${this.#path.at()}: ${reason}`, { fields: { path: this.#path.at() } })
  }

  #message(type: MessageSchema, source: Source, isAny: boolean): void {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`nested deeper than ${MAX_DEPTH} messages`)
    const fields = this.#fields
    const base = fields.length
    for (const key in source) {
      if (source[key] === undefined || (isAny && key === '@type')) continue
      const field = type.byCamel(key)
      if (field === undefined) this.#refuse(`${type.fullName} has no field '${key}'`)
      let at = fields.length
      fields.push(field)
      for (; at > base; at--) {
        const before = fields[at - 1]
        if (before === undefined || before.number <= field.number) break
        fields[at] = before
      }
      fields[at] = field
    }
    while (fields.length > base) {
      const field = fields.pop()
      if (field !== undefined) this.#field(field, source[field.camel])
    }
    this.#depth--
  }

  #field(field: FieldSchema, value: unknown): void {
    if (field.kind < kinds.MESSAGE && !field.repeated && field.key === undefined && !field.wrapper) {
      if (field.presence || !isZero(field, value)) this.#tagged(field, value)
      return
    }
    this.#path.push(field.camel)
    if (field.key !== undefined) this.#map(field, field.key, value)
    else if (field.repeated) this.#list(field, value)
    else this.#tagged(field, value)
    this.#path.pop()
  }

  #tagged(field: FieldSchema, value: unknown): void {
    this.#value(field, value)
    this.#writer.varint32((field.number << 3) | field.wireType)
  }

  #list(field: FieldSchema, value: unknown): void {
    if (!Array.isArray(value)) this.#refuse('expected a list')
    const list: readonly unknown[] = value
    const isPacked = field.wireType !== kinds.LENGTH
    const before = this.#writer.written
    for (let index = list.length - 1; index >= 0; index--) {
      this.#path.push(index)
      if (isPacked) this.#value(field, list[index])
      else this.#tagged(field, list[index])
      this.#path.pop()
    }
    if (isPacked && list.length > 0) {
      this.#writer.varint32(this.#writer.written - before)
      this.#writer.varint32((field.number << 3) | kinds.LENGTH)
    }
  }

  #map(field: FieldSchema, keyField: FieldSchema, value: unknown): void {
    const map = record(value) ?? this.#refuse('expected an object')
    const keys = sortedKeys(map)
    for (let index = keys.length - 1; index >= 0; index--) {
      const key = keys[index] ?? ''
      this.#path.push(key)
      const before = this.#writer.written
      this.#value(field, map[key])
      this.#writer.varint32((2 << 3) | field.wireType)
      this.#value(keyField, mapKey(keyField, key))
      this.#writer.varint32((1 << 3) | keyField.wireType)
      this.#close(before, field.number)
      this.#path.pop()
    }
  }

  /** Length and tag of a message whose content has been written since `before`. */
  #close(before: number, number: number): void {
    this.#writer.varint32(this.#writer.written - before)
    this.#writer.varint32((number << 3) | kinds.LENGTH)
  }

  #value(field: FieldSchema, value: unknown): void {
    if (field.kind < kinds.MESSAGE && !field.wrapper) {
      this.#scalar(field, value)
      return
    }
    const before = this.#writer.written
    this.#content(field, value)
    this.#writer.varint32(this.#writer.written - before)
  }

  #content(field: FieldSchema, value: unknown): void {
    if (field.wrapper) {
      if (isZero(field, value)) return
      this.#scalar(field, value)
      this.#writer.varint32((1 << 3) | kinds.wireTypeOf(field.kind))
      return
    }
    switch (field.kind) {
      case kinds.DURATION:
        if (typeof value !== 'number' || !Number.isFinite(value)) this.#refuse('expected milliseconds')
        return this.#seconds(splitDuration(value))
      case kinds.TIMESTAMP: {
        const split = splitTimestamp(typeof value === 'string' ? value : '')
        return split.ok ? this.#seconds(split.value) : this.#refuse('expected an ISO timestamp')
      }
      case kinds.ANY:
        return this.#any(record(value) ?? this.#refuse("expected an object with '@type'"))
      case kinds.STRUCT:
        return this.#struct(record(value) ?? this.#refuse('expected an object'))
      case kinds.VALUE:
        return this.#structValue(value)
      case kinds.LIST_VALUE:
        return this.#listValue(value)
      default:
        if (field.message === undefined) this.#refuse('the table does not carry this field')
        return this.#message(field.message, record(value) ?? this.#refuse('expected an object'), false)
    }
  }

  #seconds({ seconds, nanos }: { readonly seconds: number; readonly nanos: number }): void {
    if (nanos !== 0) {
      this.#writer.integer(nanos)
      this.#writer.varint32(16)
    }
    if (seconds !== 0) {
      this.#writer.integer(seconds)
      this.#writer.varint32(8)
    }
  }

  #any(source: Source): void {
    const url = source['@type']
    if (typeof url !== 'string') this.#refuse("expected an object with '@type'")
    const before = this.#writer.written
    this.#anyValue(url.slice(url.lastIndexOf('/') + 1), source)
    if (this.#writer.written > before) this.#close(before, 2)
    if (url === '') return
    this.#writer.string(url)
    this.#writer.varint32(10)
  }

  #anyValue(name: string, source: Source): void {
    const carrier = wellKnownField(name)
    if (carrier !== undefined && !(source.value instanceof Uint8Array && carrier.kind !== kinds.BYTES)) {
      this.#content(carrier, source.value)
      return
    }
    // Bytes are the message itself, already encoded; no message of the table has a bytes field of that name (the generator checks).
    if (source.value instanceof Uint8Array) {
      this.#writer.raw(source.value)
      return
    }
    const type = this.#schema.message(name)
    if (type === undefined)
      this.#refuse(name === '' ? "'@type' is empty" : `extension '${name}' is not in the table, and its value is not bytes`)
    this.#message(type, source, true)
  }

  #struct(source: Source): void {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`nested deeper than ${MAX_DEPTH} values`)
    const keys = sortedKeys(source)
    for (let index = keys.length - 1; index >= 0; index--) {
      const key = keys[index] ?? ''
      const item = source[key]
      if (item === undefined) continue
      this.#path.push(key)
      const before = this.#writer.written
      this.#structItem(item, 2)
      this.#writer.string(key)
      this.#writer.varint32(10)
      this.#close(before, 1)
      this.#path.pop()
    }
    this.#depth--
  }

  /** A google.protobuf.Value as the field of that number. */
  #structItem(value: unknown, number: number): void {
    const before = this.#writer.written
    this.#structValue(value)
    this.#close(before, number)
  }

  #structValue(value: unknown): void {
    const writer = this.#writer
    const before = writer.written
    if (value === null) {
      writer.varint32(0)
      writer.varint32(8)
    } else if (typeof value === 'number') {
      writer.fixed(kinds.DOUBLE, value)
      writer.varint32(17)
    } else if (typeof value === 'string') {
      writer.string(value)
      writer.varint32(26)
    } else if (typeof value === 'boolean') {
      writer.varint32(value ? 1 : 0)
      writer.varint32(32)
    } else if (Array.isArray(value)) {
      this.#listValue(value)
      this.#close(before, 6)
    } else {
      this.#struct(record(value) ?? this.#refuse('not a JSON value'))
      this.#close(before, 5)
    }
  }

  #listValue(value: unknown): void {
    if (!Array.isArray(value)) this.#refuse('expected a list')
    if (++this.#depth > MAX_DEPTH) this.#refuse(`nested deeper than ${MAX_DEPTH} values`)
    const list: readonly unknown[] = value
    for (let index = list.length - 1; index >= 0; index--) this.#structItem(list[index], 1)
    this.#depth--
  }

  #scalar(field: FieldSchema, value: unknown): void {
    const writer = this.#writer
    if (field.kind === kinds.STRING) return typeof value === 'string' ? writer.string(value) : this.#wrongType(field, 'text', value)
    if (field.kind === kinds.BOOL)
      return typeof value === 'boolean' ? writer.varint32(value ? 1 : 0) : this.#wrongType(field, 'true or false', value)
    if (field.kind === kinds.BYTES) return value instanceof Uint8Array ? writer.bytes(value) : this.#wrongType(field, 'bytes', value)
    if (field.kind === kinds.ENUM) {
      const number = typeof value === 'string' ? field.enum?.numbers.get(value) : undefined
      return number === undefined
        ? this.#wrongType(field, `one of ${[...(field.enum?.numbers.keys() ?? [])].join(', ')}`, value)
        : writer.integer(number)
    }
    return typeof value === 'number' ? this.#number(field, value) : this.#wrongType(field, 'a number', value)
  }

  #number(field: FieldSchema, value: number): void {
    const writer = this.#writer
    if (field.kind === kinds.DOUBLE || field.kind === kinds.FLOAT) return writer.fixed(field.kind, value)
    const [low, high] = kinds.integerRange(field.kind)
    if (!Number.isInteger(value) || value < low || value > high) this.#wrongType(field, `a whole number from ${low} to ${high}`, value)
    if (field.kind === kinds.SINT32 || field.kind === kinds.SINT64) {
      const wide = BigInt(value)
      return writer.varint64(BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n)))
    }
    return field.wireType === kinds.VARINT || field.wrapper ? writer.integer(value) : writer.fixed(field.kind, value)
  }

  #wrongType(field: FieldSchema, expected: string, value: unknown): never {
    return this.#refuse(`field '${field.camel}' must be ${expected}, not ${typeof value === 'object' ? 'an object' : String(value)}`)
  }
}

function record(value: unknown): Source | undefined {
  // Any object may be read by name; what is in it is checked field by field.
  return typeof value === 'object' && value !== null ? (value as Source) : undefined
}

/** Most maps have one key, or were built in order. */
function sortedKeys(source: Source): string[] {
  const keys = Object.keys(source)
  for (let index = 1; index < keys.length; index++) if ((keys[index - 1] ?? '') > (keys[index] ?? '')) return keys.sort()
  return keys
}

function isZero(field: FieldSchema, value: unknown): boolean {
  if (field.kind === kinds.ENUM) return typeof value === 'string' && field.enum?.numbers.get(value) === 0
  return value === 0 || value === '' || value === false || (value instanceof Uint8Array && value.length === 0)
}

function mapKey(field: FieldSchema, key: string): unknown {
  if (field.kind === kinds.STRING) return key
  return field.kind === kinds.BOOL ? key === 'true' : Number(key)
}
