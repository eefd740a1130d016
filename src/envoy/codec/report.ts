// What decoding may be told about fields that are not in force, and the sentences it says. Shared by binary and JSON, so
// that a NACK and `lateen proxy --mode validate` use the same words.
import { suggest } from '../../base/suggest.ts'
import type { EnumSchema, FieldSchema, MessageSchema } from './schema.ts'

/** Nesting that no honest configuration reaches; a deeper message is refused before it can exhaust the stack. */
export const MAX_DEPTH = 64

export interface DecodeOptions {
  /** Called for every field, value or extension that this table does not honour. Without it, each is a problem. */
  readonly onUnsupported?: ((path: string, message: string) => void) | undefined
  /** Leave every Any as bytes: resources are decoded one by one, so that one bad resource does not spoil its neighbours. */
  readonly keepAny?: boolean | undefined
}

export function unhonouredField(field: FieldSchema, message: MessageSchema): string {
  return `field '${field.name}' (number ${field.number} of ${message.fullName}) is not supported; remove it or allow unsupported fields`
}

export function unknownNumber(number: number, message: MessageSchema): string {
  return `field number ${number} of ${message.fullName} is not known; it may belong to a newer Envoy API`
}

export function unknownName(name: string, message: MessageSchema): string {
  const near = suggest(
    name,
    message.fields.filter((field) => field.honoured).map((field) => field.name),
  )
  return `unknown field '${name}' of ${message.fullName}${near === undefined ? '' : `; did you mean '${near}'?`}`
}

export function unknownType(name: string): string {
  return `extension '${name}' is not supported`
}

export function unknownEnum(value: string | number, type: EnumSchema): string {
  const near = typeof value === 'string' ? suggest(value, type.numbers.keys()) : undefined
  return `${JSON.stringify(value)} is not a value of ${type.fullName}${near === undefined ? '' : `; did you mean ${near}?`}`
}
