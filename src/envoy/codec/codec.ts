// The one codec of proxy, control plane and CLI: a table in, four functions out. Which messages and fields it knows is the
// table's business: generated/proxy-table.gen.ts for the proxy, generated/full-table.gen.ts for the others.
import { LateenError } from '../../base/errors.ts'
import type { Result } from '../../base/result.ts'
import type { MessageName } from '../any.ts'
import type { MessageTypes } from '../generated/messages.gen.ts'
import { decodeBinary } from './decode-binary.ts'
import { decodeJson } from './decode-json.ts'
import { BinaryEncoder } from './encode-binary.ts'
import { encodeJson, type JsonOptions } from './encode-json.ts'
import type { DecodeOptions } from './report.ts'
import { type MessageSchema, Schema } from './schema.ts'

export type { DecodeOptions, JsonOptions }

export interface Codec {
  /** Never throws, whatever the bytes. Without `onUnsupported`, an unhonoured or unknown field is a problem. */
  decode<K extends MessageName>(name: K, bytes: Uint8Array, options?: DecodeOptions): Result<MessageTypes[K]>
  /** Throws LateenError for a value that the message cannot carry. */
  encode<K extends MessageName>(name: K, message: MessageTypes[K]): Buffer
  /** @param json already parsed; both spellings of names. */
  fromJson<K extends MessageName>(name: K, json: unknown, options?: DecodeOptions): Result<MessageTypes[K]>
  toJson<K extends MessageName>(name: K, message: MessageTypes[K], options?: JsonOptions): Record<string, unknown>
  /** Whether the table has the message, for instance before an extension is sent to this proxy. */
  knows(fullName: string): boolean
}

/** @param tableText a generated table. Parsing is put off until a message is used, so this takes well below a millisecond. */
export function createCodec(tableText: string): Codec {
  const schema = new Schema(tableText)
  const encoder = new BinaryEncoder(schema)
  const typeOf = (name: MessageName): MessageSchema => {
    const type = schema.message(name)
    if (type === undefined)
      throw new LateenError(
        'ENVOY_UNKNOWN_MESSAGE',
        `${name} is not in this codec table; add it to src/envoy/honoured/ or the generator's roots`,
      )
    return type
  }
  return {
    // The interface and the table entry were generated from the same .proto message.
    decode: <K extends MessageName>(name: K, bytes: Uint8Array, options?: DecodeOptions) =>
      decodeBinary(schema, typeOf(name), bytes, options) as Result<MessageTypes[K]>,
    encode: (name, message) => encoder.encode(typeOf(name), message),
    fromJson: <K extends MessageName>(name: K, json: unknown, options?: DecodeOptions) =>
      decodeJson(schema, typeOf(name), json, options) as Result<MessageTypes[K]>,
    toJson: (name, message, options) => encodeJson(schema, typeOf(name), message, options),
    knows: (fullName) => schema.message(fullName) !== undefined,
  }
}
