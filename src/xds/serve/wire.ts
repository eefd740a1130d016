// Assembles DeltaDiscoveryResponse and DiscoveryResponse from resources that are encoded already: field numbers and lengths only, no
// decoding and no encoding of what may be megabytes. Field numbers: envoy/service/discovery/v3/discovery.proto.
// Invariant: the result equals what the full codec would write for the same message (wire.test.ts compares them).
import type { EncodedResource } from '../generate/resources.ts'

const LENGTH_DELIMITED = 2

export interface DeltaResponse {
  readonly systemVersion: string
  readonly typeUrl: string
  readonly nonce: string
  readonly changed: readonly (readonly [name: string, resource: EncodedResource])[]
  readonly removed: readonly string[]
}

export function encodeDeltaResponse(response: DeltaResponse): Buffer {
  const type = field(1, Buffer.from(response.typeUrl))
  const parts: Uint8Array[] = field(1, Buffer.from(response.systemVersion))
  for (const [name, { version, bytes }] of response.changed) {
    parts.push(
      ...message(2, [...field(1, Buffer.from(version)), ...message(2, [...type, ...field(2, bytes)]), ...field(3, Buffer.from(name))]),
    )
  }
  parts.push(...field(4, Buffer.from(response.typeUrl)), ...field(5, Buffer.from(response.nonce)))
  for (const name of response.removed) parts.push(...field(6, Buffer.from(name)))
  return Buffer.concat(parts)
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
