// Assembles DeltaDiscoveryResponse and DiscoveryResponse from resources that are encoded already: field numbers and lengths only, no
// decoding and no encoding of what may be megabytes. Field numbers: envoy/service/discovery/v3/discovery.proto.
// Protobuf messages may be written in pieces, fields in any order: a response is a body that many clients share, perhaps a second one of
// the client's own, and a tail with the fields that stand once.
// Invariant: the result reads as what the full codec would write for the same message (wire.test.ts compares them).
import type { EncodedResource } from '../generate/resources.ts'

const LENGTH_DELIMITED = 2

export interface DeltaBody {
  readonly typeUrl: string
  readonly changed: readonly (readonly [name: string, resource: EncodedResource])[]
  readonly removed: readonly string[]
}

/** Resources larger than this are sent from where they are; smaller ones are gathered into one chunk. */
const OWN_CHUNK_BYTES = 32 * 1024

export function encodeDeltaBody({ typeUrl, changed, removed }: DeltaBody): readonly Uint8Array[] {
  const type = field(1, Buffer.from(typeUrl))
  const parts: Uint8Array[] = []
  for (const [name, { version, bytes }] of changed) {
    parts.push(
      ...message(2, [...field(1, Buffer.from(version)), ...message(2, [...type, ...field(2, bytes)]), ...field(3, Buffer.from(name))]),
    )
  }
  for (const name of removed) parts.push(...field(6, Buffer.from(name)))
  return gathered(parts)
}

export function encodeDeltaTail(response: {
  readonly systemVersion: string
  readonly typeUrl: string
  readonly nonce: string
}): Uint8Array {
  return Buffer.concat([
    ...field(1, Buffer.from(response.systemVersion)),
    ...field(4, Buffer.from(response.typeUrl)),
    ...field(5, Buffer.from(response.nonce)),
  ])
}

export interface SotwResponse {
  readonly version: string
  readonly typeUrl: string
  readonly nonce: string
  readonly resources: Iterable<EncodedResource>
}

export function encodeSotwResponse(response: SotwResponse): Buffer {
  const type = field(1, Buffer.from(response.typeUrl))
  const parts: Uint8Array[] = field(1, Buffer.from(response.version))
  for (const { bytes } of response.resources) parts.push(...message(2, [...type, ...field(2, bytes)]))
  parts.push(...field(4, Buffer.from(response.typeUrl)), ...field(5, Buffer.from(response.nonce)))
  return Buffer.concat(parts)
}

function gathered(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  let small: Uint8Array[] = []
  const flush = (): void => {
    if (small.length > 0) chunks.push(Buffer.concat(small))
    small = []
  }
  for (const part of parts) {
    if (part.length < OWN_CHUNK_BYTES) small.push(part)
    else {
      flush()
      chunks.push(part)
    }
  }
  flush()
  return chunks
}

/** An empty field is left out, as proto3 does. */
function field(number: number, content: Uint8Array): Uint8Array[] {
  return content.length === 0 ? [] : [head(number, content.length), content]
}

function message(number: number, parts: readonly Uint8Array[]): Uint8Array[] {
  let length = 0
  for (const part of parts) length += part.length
  return [head(number, length), ...parts]
}

function head(number: number, length: number): Buffer {
  const bytes = [(number << 3) | LENGTH_DELIMITED]
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      bytes.push(rest)
      return Buffer.from(bytes)
    }
    bytes.push((rest % 128) | 0x80)
  }
}
