// Bytes to messages, by the table. Called for every xDS response, so it allocates nothing per field but the value itself.
// Invariant: whatever the bytes, it returns; malformed input becomes one problem that says where.
import { fail, type Problem, type Result, succeed } from '../../base/result.ts'
import { typeUrlPrefix } from '../any.ts'
import { ByteReader, MalformedBytes } from './byte-reader.ts'
import { Path } from './path.ts'
import { type DecodeOptions, MAX_DEPTH, unhonouredField, unknownEnum, unknownNumber, unknownType } from './report.ts'
import type { FieldSchema, MessageSchema, Schema } from './schema.ts'
import * as kinds from './schema.ts'
import { durationMs, timestampText } from './time-values.ts'
import { wellKnownField } from './well-known.ts'

type Target = Record<string, unknown>

export function decodeBinary(schema: Schema, type: MessageSchema, bytes: Uint8Array, options: DecodeOptions = {}): Result<object> {
  const decoder = new BinaryDecoder(schema, bytes, options)
  try {
    const value = decoder.message(type, decoder.reader.end, {})
    return decoder.problems.length === 0 ? succeed(value) : { ok: false, problems: decoder.problems }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return fail(decoder.path.at(), `${error.message} at byte ${error.offset} while decoding ${type.fullName}`)
  }
}

class BinaryDecoder {
  readonly reader: ByteReader
  readonly path = new Path()
  readonly problems: Problem[] = []
  readonly #schema: Schema
  readonly #options: DecodeOptions
  #depth = 0

  constructor(schema: Schema, bytes: Uint8Array, options: DecodeOptions) {
    this.reader = new ByteReader(bytes)
    this.#schema = schema
    this.#options = options
  }

  message(type: MessageSchema, end: number, target: Target): Target {
    const { reader } = this
    this.#enter()
    while (reader.pos < end) {
      const tag = reader.tag(end)
      const field = type.byNumber(tag >>> 3)
      if (field === undefined) {
        this.#unsupported(this.path.at(), unknownNumber(tag >>> 3, type))
        reader.skip(tag & 7, end)
      } else if (field.honoured) this.#field(target, field, tag & 7, end)
      else this.#unhonoured(field, type, tag & 7, end)
    }
    this.#depth--
    return target
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw this.reader.malformed(`nested deeper than ${MAX_DEPTH} messages`)
  }

  /** A zero says what silence says, unless the field tells the two apart. */
  #unhonoured(field: FieldSchema, type: MessageSchema, wireType: number, end: number): void {
    const start = this.reader.pos
    this.reader.skip(wireType, end)
    const telling = field.presence || field.repeated || field.wrapper || field.key !== undefined || field.rivals.length > 0
    if (telling || !this.reader.isZero(wireType, start)) this.#unsupported(this.path.at(field.name), unhonouredField(field, type))
  }

  #unsupported(path: string, message: string): void {
    const { onUnsupported } = this.#options
    if (onUnsupported === undefined) this.problems.push({ path, message })
    else onUnsupported(path, message)
  }

  #field(target: Target, field: FieldSchema, wireType: number, end: number): void {
    if (field.key !== undefined) this.#mapEntry(target, field, field.key, wireType, end)
    else if (field.repeated) this.#repeated(target, field, wireType, end)
    else {
      this.#expect(field, wireType)
      const value = this.#value(field, end, target[field.camel])
      if (value === undefined) return
      // The last member of a oneof wins (protobuf encoding, 'Last One Wins').
      if (field.rivals.length > 1)
        for (const rival of field.rivals) if (rival !== field && target[rival.camel] !== undefined) delete target[rival.camel]
      target[field.camel] = value
    }
  }

  #expect(field: FieldSchema, wireType: number): void {
    if (wireType === field.wireType) return
    this.path.push(field.name)
    throw this.reader.malformed(`wire type ${wireType} where ${field.wireType} belongs`)
  }

  #repeated(target: Target, field: FieldSchema, wireType: number, end: number): void {
    const earlier = target[field.camel]
    const list: unknown[] = Array.isArray(earlier) ? earlier : []
    target[field.camel] = list
    if (wireType === kinds.LENGTH && field.wireType !== kinds.LENGTH) {
      const stop = this.reader.length(end)
      while (this.reader.pos < stop) this.#append(list, field, stop)
      return
    }
    this.#expect(field, wireType)
    this.#append(list, field, end)
  }

  #append(list: unknown[], field: FieldSchema, end: number): void {
    this.path.push(field.name)
    this.path.push(list.length)
    const value = this.#value(field, end, undefined, false)
    this.path.pop()
    this.path.pop()
    if (value !== undefined) list.push(value)
  }

  #mapEntry(target: Target, field: FieldSchema, keyField: FieldSchema, wireType: number, end: number): void {
    this.#expect(field, wireType)
    const { reader } = this
    const stop = reader.length(end)
    let key: unknown = defaultKey(keyField)
    let value: unknown
    this.path.push(field.name)
    while (reader.pos < stop) {
      const tag = reader.tag(stop)
      if (tag >>> 3 === 1 && (tag & 7) === keyField.wireType) key = this.#value(keyField, stop, undefined)
      else if (tag >>> 3 === 2 && (tag & 7) === field.wireType) {
        this.path.push(String(key))
        value = this.#value(field, stop, value, false)
        this.path.pop()
      } else reader.skip(tag & 7, stop)
    }
    this.path.pop()
    const earlier = target[field.camel]
    const map: Target = isRecord(earlier) ? earlier : {}
    target[field.camel] = map
    setKey(map, String(key), value ?? zeroOf(field))
  }

  /** @param existing an earlier occurrence of a message field, with which this one merges. @param named push the field's name to the path. */
  #value(field: FieldSchema, end: number, existing: unknown, named = true): unknown {
    const { reader } = this
    if (field.kind < kinds.MESSAGE && !field.wrapper)
      return field.kind === kinds.ENUM ? this.#enum(field, end, named) : reader.scalar(field.kind, end)
    const stop = reader.length(end)
    if (named) this.path.push(field.name)
    const value = this.#content(field, stop, existing)
    if (named) this.path.pop()
    return value
  }

  /** What a length measured, for every kind that is a message on the wire. */
  #content(field: FieldSchema, stop: number, existing: unknown): unknown {
    if (field.wrapper) return this.#wrapped(field, stop)
    switch (field.kind) {
      case kinds.DURATION:
        return this.#seconds(stop, durationMs)
      case kinds.TIMESTAMP:
        return this.#seconds(stop, timestampText)
      case kinds.ANY:
        return this.#any(stop)
      case kinds.STRUCT:
        return this.#struct(stop)
      case kinds.VALUE:
        return this.#structValue(stop)
      case kinds.LIST_VALUE:
        return this.#listValue(stop)
      default:
        if (field.message === undefined) throw this.reader.malformed(`the table has no message for field '${field.name}'`)
        return this.message(field.message, stop, isRecord(existing) ? existing : {})
    }
  }

  #wrapped(field: FieldSchema, end: number): unknown {
    let value: unknown = zeroScalar(field.kind)
    while (this.reader.pos < end) {
      const tag = this.reader.tag(end)
      if (tag >>> 3 === 1 && (tag & 7) === kinds.wireTypeOf(field.kind)) {
        value = this.reader.scalar(field.kind, end)
      } else this.reader.skip(tag & 7, end)
    }
    return value
  }

  #enum(field: FieldSchema, end: number, named: boolean): unknown {
    const number = this.reader.int32(end)
    const name = field.enum?.names.get(number)
    if (name === undefined && field.enum !== undefined) {
      this.#unsupported(named ? this.path.at(field.name) : this.path.at(), unknownEnum(number, field.enum))
    }
    return name
  }

  #seconds<T>(end: number, make: (seconds: number, nanos: number) => T): T {
    let seconds = 0
    let nanos = 0
    while (this.reader.pos < end) {
      const tag = this.reader.tag(end)
      if (tag === 8) seconds = this.reader.int64(end)
      else if (tag === 16) nanos = this.reader.int32(end)
      else this.reader.skip(tag & 7, end)
    }
    return make(seconds, nanos)
  }

  #any(end: number): Target {
    const { reader } = this
    let url = ''
    let start = end
    let stop = end
    while (reader.pos < end) {
      const tag = reader.tag(end)
      if (tag === 10) url = reader.string(end)
      else if (tag === 18) {
        stop = reader.length(end)
        start = reader.pos
        reader.pos = stop
      } else reader.skip(tag & 7, end)
    }
    const name = url.startsWith(typeUrlPrefix) ? url.slice(typeUrlPrefix.length) : url.slice(url.lastIndexOf('/') + 1)
    const type = this.#options.keepAny === true ? undefined : this.#schema.message(name)
    reader.pos = start
    this.#enter()
    const value = type === undefined ? this.#anyValue(url, name, stop) : this.message(type, stop, { '@type': url })
    this.#depth--
    reader.pos = end
    return value
  }

  #anyValue(url: string, name: string, stop: number): Target {
    if (this.#options.keepAny === true) return { '@type': url, value: this.reader.raw(stop) }
    const carrier = wellKnownField(name)
    if (carrier !== undefined) return { '@type': url, value: this.#content(carrier, stop, undefined) }
    if (url !== '') this.#unsupported(this.path.at(), unknownType(name))
    return { '@type': url, value: this.reader.bytes(stop) }
  }

  #struct(end: number): Target {
    const { reader } = this
    this.#enter()
    const target: Target = {}
    while (reader.pos < end) {
      const tag = reader.tag(end)
      if (tag === 10) this.#structEntry(target, reader.length(end))
      else reader.skip(tag & 7, end)
    }
    this.#depth--
    return target
  }

  #structEntry(target: Target, end: number): void {
    const { reader } = this
    let key = ''
    let value: unknown = null
    while (reader.pos < end) {
      const tag = reader.tag(end)
      if (tag === 10) key = reader.string(end)
      else if (tag === 18) value = this.#structValue(reader.length(end))
      else reader.skip(tag & 7, end)
    }
    setKey(target, key, value)
  }

  #structValue(end: number): unknown {
    const { reader } = this
    let value: unknown = null
    while (reader.pos < end) {
      const tag = reader.tag(end)
      if (tag === 8) {
        reader.int32(end)
        value = null
      } else if (tag === 17) value = reader.scalar(kinds.DOUBLE, end)
      else if (tag === 26) value = reader.string(end)
      else if (tag === 32) value = reader.scalar(kinds.BOOL, end)
      else if (tag === 42) value = this.#struct(reader.length(end))
      else if (tag === 50) value = this.#listValue(reader.length(end))
      else reader.skip(tag & 7, end)
    }
    return value
  }

  #listValue(end: number): unknown[] {
    const { reader } = this
    this.#enter()
    const list: unknown[] = []
    while (reader.pos < end) {
      const tag = reader.tag(end)
      if (tag === 10) list.push(this.#structValue(reader.length(end)))
      else reader.skip(tag & 7, end)
    }
    this.#depth--
    return list
  }
}

function isRecord(value: unknown): value is Target {
  return typeof value === 'object' && value !== null
}

/** Assignment to `__proto__` would change the object's prototype instead of adding a key. */
export function setKey(target: Target, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
  else target[key] = value
}

function defaultKey(field: FieldSchema): unknown {
  return zeroScalar(field.kind)
}

/** A map entry without a value has the type's zero. */
function zeroOf(field: FieldSchema): unknown {
  switch (field.kind) {
    case kinds.ENUM:
      return field.enum?.names.get(0)
    case kinds.MESSAGE:
    case kinds.STRUCT:
      return {}
    case kinds.ANY:
      return { '@type': '', value: new Uint8Array(0) }
    case kinds.LIST_VALUE:
      return []
    case kinds.VALUE:
      return null
    case kinds.TIMESTAMP:
      return timestampText(0, 0)
    default:
      return zeroScalar(field.kind)
  }
}

function zeroScalar(kind: number): unknown {
  if (kind === kinds.STRING) return ''
  if (kind === kinds.BOOL) return false
  return kind === kinds.BYTES ? new Uint8Array(0) : 0
}
