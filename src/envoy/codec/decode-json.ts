// ProtoJSON (bootstraps, config dumps, files of resources) to messages. Called with already parsed JSON; YAML has been turned
// into JSON before. Invariant: every mistake is reported at once, each with its path, and nothing that was written is dropped silently.
import { type Problem, type Result, succeed } from '../../base/result.ts'
import { nameInTypeUrl } from '../any.ts'
import { setKey } from './decode-binary.ts'
import { Path } from './path.ts'
import { type DecodeOptions, MAX_DEPTH, unhonouredField, unknownEnum, unknownName, unknownType } from './report.ts'
import type { FieldSchema, MessageSchema, Schema } from './schema.ts'
import * as kinds from './schema.ts'
import { parseDurationJson, splitTimestamp } from './time-values.ts'
import { wellKnownField } from './well-known.ts'

type Json = Readonly<Record<string, unknown>>
type Target = Record<string, unknown>

export function decodeJson(schema: Schema, type: MessageSchema, json: unknown, options: DecodeOptions = {}): Result<object> {
  const decoder = new JsonDecoder(schema, options)
  const value = decoder.message(type, json)
  return decoder.problems.length === 0 ? succeed(value) : { ok: false, problems: decoder.problems }
}

class JsonDecoder {
  readonly problems: Problem[] = []
  readonly #path = new Path()
  readonly #schema: Schema
  readonly #options: DecodeOptions

  constructor(schema: Schema, options: DecodeOptions) {
    this.#schema = schema
    this.#options = options
  }

  message(type: MessageSchema, json: unknown, target: Target = {}, isAny = false): Target {
    const source = object(json)
    if (source === undefined) this.#problem(`expected an object (${type.fullName}), got ${describe(json)}`)
    else if (this.#path.depth > MAX_DEPTH * 2) this.#problem(`nested deeper than ${MAX_DEPTH} messages`)
    // A thousand clusters are ten thousand messages: no list of pairs is made for each.
    else for (const name of Object.keys(source)) if (!isAny || name !== '@type') this.#named(type, name, source[name], target)
    return target
  }

  #named(type: MessageSchema, name: string, json: unknown, target: Target): void {
    const field = type.byName(name)
    if (field === undefined) this.#unsupported(this.#path.at(name), unknownName(name, type))
    else if (!field.honoured) {
      if (!isDefault(field, json)) this.#unsupported(this.#path.at(name), unhonouredField(field, type))
    } else if (json !== null || field.kind === kinds.VALUE) {
      this.#path.push(field.name)
      this.#field(field, json, target)
      this.#path.pop()
    }
  }

  #field(field: FieldSchema, json: unknown, target: Target): void {
    if (target[field.camel] !== undefined) return this.#problem(`given twice, as '${field.name}' and '${field.camel}'`)
    const rival = field.rivals.length === 0 ? undefined : field.rivals.find((other) => other !== field && target[other.camel] !== undefined)
    if (rival !== undefined) return this.#problem(`cannot stand beside '${rival.name}': only one of them may be set`)
    const value = field.key !== undefined ? this.#map(field, json) : field.repeated ? this.#list(field, json) : this.#value(field, json)
    if (value !== undefined) target[field.camel] = value
  }

  #list(field: FieldSchema, json: unknown): unknown[] {
    if (!Array.isArray(json)) {
      this.#problem(`expected a list, got ${describe(json)}`)
      return []
    }
    const list: unknown[] = []
    for (const [index, item] of json.entries()) {
      this.#path.push(index)
      const value = this.#value(field, item)
      this.#path.pop()
      if (value !== undefined) list.push(value)
    }
    return list
  }

  #map(field: FieldSchema, json: unknown): Target {
    const target: Target = {}
    const source = object(json)
    if (source === undefined) this.#problem(`expected an object, got ${describe(json)}`)
    for (const [key, item] of Object.entries(source ?? {})) {
      this.#path.push(key)
      const value = this.#value(field, item)
      if (value !== undefined) setKey(target, key, value)
      this.#path.pop()
    }
    return target
  }

  #value(field: FieldSchema, json: unknown): unknown {
    switch (field.kind) {
      case kinds.MESSAGE:
        return field.message === undefined ? undefined : this.message(field.message, json)
      case kinds.ANY:
        return this.#any(json)
      case kinds.DURATION:
        return this.#parsed(typeof json === 'string' ? parseDurationJson(json) : parseDurationJson(String(json)))
      case kinds.TIMESTAMP:
        return this.#parsed(splitTimestamp(String(json))) === undefined ? undefined : json
      case kinds.STRUCT:
        return object(json) ?? this.#problem(`expected an object, got ${describe(json)}`)
      case kinds.LIST_VALUE:
        return Array.isArray(json) ? json : this.#problem(`expected a list, got ${describe(json)}`)
      case kinds.VALUE:
        return json
      case kinds.ENUM:
        return this.#enum(field, json)
      default:
        return this.#scalar(field, json)
    }
  }

  #enum(field: FieldSchema, json: unknown): unknown {
    const type = field.enum
    if (type === undefined) return undefined
    const name = typeof json === 'number' ? type.names.get(json) : typeof json === 'string' && type.numbers.has(json) ? json : undefined
    if (name === undefined) this.#problem(unknownEnum(typeof json === 'number' ? json : String(json), type))
    return name
  }

  #scalar(field: FieldSchema, json: unknown): unknown {
    if (field.kind === kinds.STRING) return typeof json === 'string' ? json : this.#problem(`expected text, got ${describe(json)}`)
    if (field.kind === kinds.BOOL) return typeof json === 'boolean' ? json : this.#problem(`expected true or false, got ${describe(json)}`)
    if (field.kind === kinds.BYTES) return this.#bytes(json)
    // ProtoJSON writes 64-bit integers, NaN and Infinity as text and allows it for every number.
    const number = typeof json === 'string' && json.trim() !== '' ? Number(json) : json
    if (typeof number !== 'number' || (Number.isNaN(number) && json !== 'NaN'))
      return this.#problem(`expected a number, got ${describe(json)}`)
    if (field.kind === kinds.DOUBLE || field.kind === kinds.FLOAT) return number
    const [low, high] = kinds.integerRange(field.kind)
    if (!Number.isInteger(number) || number < low || number > high)
      return this.#problem(`expected a whole number from ${low} to ${high}, got ${number}`)
    return number
  }

  #bytes(json: unknown): unknown {
    if (typeof json !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(json))
      return this.#problem(`expected base64 text, got ${describe(json)}`)
    return new Uint8Array(Buffer.from(json, 'base64'))
  }

  #any(json: unknown): unknown {
    const source = object(json)
    const url = source?.['@type']
    if (source === undefined || typeof url !== 'string') {
      return this.#problem(
        'expected an object with \'@type\', for example "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"',
      )
    }
    const name = nameInTypeUrl(url)
    const carrier = wellKnownField(name)
    if (carrier !== undefined) return { '@type': url, value: this.#value(carrier, source.value) }
    const type = this.#schema.message(name)
    if (type !== undefined) return this.message(type, source, { '@type': url }, true)
    this.#unsupported(this.#path.at(), unknownType(name))
    return { ...source, '@type': url }
  }

  #parsed<T>(result: Result<T>): T | undefined {
    if (result.ok) return result.value
    for (const problem of result.problems) this.#problem(problem.message)
    return undefined
  }

  #problem(message: string): undefined {
    this.problems.push({ path: this.#path.at(), message })
    return undefined
  }

  #unsupported(path: string, message: string): void {
    const { onUnsupported } = this.#options
    if (onUnsupported === undefined) this.problems.push({ path, message })
    else onUnsupported(path, message)
  }
}

/** Says what silence says. A wrapper or a member of a oneof tells presence apart, so only null is silent there. */
function isDefault(field: FieldSchema, json: unknown): boolean {
  if (json === null) return true
  if (Array.isArray(json)) return json.length === 0
  if (field.presence || field.wrapper || field.rivals.length > 0) return false
  if (field.kind === kinds.ENUM && typeof json === 'string') return field.enum?.numbers.get(json) === 0
  if (field.kind === kinds.DURATION && typeof json === 'string') return /^-?0+(\.0*)?s$/.test(json)
  const source = object(json)
  return source === undefined ? json === 0 || json === '' || json === false || json === '0' : Object.keys(source).length === 0
}

function object(json: unknown): Json | undefined {
  // Parsed JSON that is neither null nor a list is a record of unknown values.
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Json) : undefined
}

function describe(json: unknown): string {
  if (Array.isArray(json)) return 'a list'
  if (typeof json === 'object' && json !== null) return 'an object'
  const text = JSON.stringify(json) ?? 'nothing'
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}
