// Messages to ProtoJSON as Envoy's config dump writes it: snake_case names, fields by number, zeros left out. Used by
// /config_dump, the CLI and goldens.
import { LateenError } from '../../base/errors.ts'
import { nameInTypeUrl } from '../any.ts'
import { setKey } from './decode-binary.ts'
import { MAX_DEPTH } from './report.ts'
import type { FieldSchema, MessageSchema, Schema } from './schema.ts'
import * as kinds from './schema.ts'
import { formatDurationJson } from './time-values.ts'
import { wellKnownField } from './well-known.ts'

export interface JsonOptions {
  /** 'snake' as Envoy prints; 'camel' as ProtoJSON's default. */
  readonly names?: 'snake' | 'camel'
}

type Source = Readonly<Record<string, unknown>>
type Json = Record<string, unknown>

/** A plain value for JSON.stringify. Throws LateenError ENVOY_ENCODE for a property that the table does not know. */
export function encodeJson(schema: Schema, type: MessageSchema, message: object, options: JsonOptions = {}): Json {
  return new JsonEncoder(schema, options).message(type, record(message), {})
}

class JsonEncoder {
  readonly #schema: Schema
  readonly #camel: boolean
  #depth = 0

  constructor(schema: Schema, options: JsonOptions) {
    this.#schema = schema
    this.#camel = options.names === 'camel'
  }

  message(type: MessageSchema, source: Source, target: Json): Json {
    if (++this.#depth > MAX_DEPTH)
      throw new LateenError('ENVOY_ENCODE', `cannot print ${type.fullName}: nested deeper than ${MAX_DEPTH} messages`)
    const fields = Object.keys(source).flatMap((key) => {
      if (source[key] === undefined || key === '@type') return []
      const field = type.byCamel(key)
      if (field === undefined) throw new LateenError('ENVOY_ENCODE', `cannot print ${type.fullName}: it has no field '${key}'`)
      return [field]
    })
    for (const field of fields.sort((a, b) => a.number - b.number)) {
      const value = source[field.camel]
      if (!isSilent(field, value)) target[this.#camel ? field.camel : field.name] = this.#field(field, value)
    }
    this.#depth--
    return target
  }

  #field(field: FieldSchema, value: unknown): unknown {
    if (field.repeated && Array.isArray(value)) return value.map((item: unknown) => this.#value(field, item))
    if (field.key === undefined) return this.#value(field, value)
    const map = record(value)
    const target: Json = {}
    for (const key of Object.keys(map).sort()) setKey(target, key, this.#value(field, map[key]))
    return target
  }

  #value(field: FieldSchema, value: unknown): unknown {
    switch (field.kind) {
      case kinds.MESSAGE:
        return field.message === undefined ? value : this.message(field.message, record(value), {})
      case kinds.ANY:
        return this.#any(record(value))
      case kinds.DURATION:
        return formatDurationJson(Number(value))
      case kinds.BYTES:
        return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
      case kinds.INT64:
      case kinds.UINT64:
      case kinds.SINT64:
      case kinds.FIXED64:
      case kinds.SFIXED64:
        return String(value)
      case kinds.DOUBLE:
      case kinds.FLOAT:
        return Number.isFinite(value) ? value : String(value)
      case kinds.STRUCT:
      case kinds.VALUE:
      case kinds.LIST_VALUE:
        return sorted(value)
      default:
        return value
    }
  }

  #any(source: Source): Json {
    const url = String(source['@type'] ?? '')
    const name = nameInTypeUrl(url)
    const carrier = wellKnownField(name)
    const type = this.#schema.message(name)
    if (source.value instanceof Uint8Array && (carrier === undefined || carrier.kind !== kinds.BYTES)) {
      return { '@type': url, value: Buffer.from(source.value).toString('base64') }
    }
    if (carrier !== undefined) return { '@type': url, value: this.#value(carrier, source.value) }
    return type === undefined ? { ...source } : this.message(type, source, { '@type': url })
  }
}

/** What the binary form would not carry either. */
function isSilent(field: FieldSchema, value: unknown): boolean {
  if (Array.isArray(value)) return field.repeated && value.length === 0
  if (field.presence || field.wrapper || field.kind >= kinds.MESSAGE) return false
  if (field.kind === kinds.ENUM) return typeof value === 'string' && field.enum?.numbers.get(value) === 0
  return value === 0 || value === '' || value === false || (value instanceof Uint8Array && value.length === 0)
}

/** A Struct's keys have no order of their own; sorted, two dumps of one config are equal. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const source = record(value)
  const target: Json = {}
  for (const key of Object.keys(source).sort()) setKey(target, key, sorted(source[key]))
  return target
}

function record(value: unknown): Source {
  // Any object may be read by name; what is in it is checked field by field.
  return typeof value === 'object' && value !== null ? (value as Source) : {}
}
