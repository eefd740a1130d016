// Whose objects a refused resource came from: read out of the resource itself, whose metadata says so (generate/metadata.ts). Asked when a
// client has refused something, which is rare, so that nothing need be kept for it.
// Invariant: reads only whole strings of a protobuf Value, by their length; a path that a user wrote into a route is none of ours.
import type { ServedResources } from '../generate/resources.ts'

const ROOT = '/apis/'
/** Tag of `string_value` in google.protobuf.Value: field 3, length-delimited. */
const STRING_VALUE = 0x1a
const CONFIG_PATH = /^\/apis\/[^/]+\/[^/]+\/namespaces\/([^/]*)\/([a-z-]+)\/([^/]+)$/

/** `VirtualService default/reviews`, sorted. */
export function objectsOf(resources: ServedResources | undefined, typeUrl: string, names: Iterable<string>): readonly string[] {
  const parts = resources?.get(typeUrl)
  const found = new Set<string>()
  for (const name of names) {
    const resource = parts?.own.get(name) ?? parts?.shared.get(name)
    if (resource !== undefined) for (const object of objectsIn(resource.bytes)) found.add(object)
  }
  return [...found].sort()
}

export function* objectsIn(message: Uint8Array): Generator<string> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  for (let at = bytes.indexOf(ROOT); at !== -1; at = bytes.indexOf(ROOT, at + 1)) {
    const length = lengthBefore(bytes, at)
    const match = length === undefined ? null : CONFIG_PATH.exec(bytes.toString('utf8', at, at + length))
    const [, namespace = '', kind = '', name = ''] = match ?? []
    if (match !== null) yield `${kind.split('-').map(capitalised).join('')} ${namespace}/${name}`
  }
}

/** Of a string that begins here; two bytes of length are more than any name needs. */
function lengthBefore(bytes: Buffer, at: number): number | undefined {
  const [tag, high = 0, low = 0] = [bytes[at - 3], bytes[at - 1], bytes[at - 2]]
  if (low === STRING_VALUE) return high
  return tag === STRING_VALUE && low >= 0x80 ? (low & 0x7f) | (high << 7) : undefined
}

function capitalised(word: string): string {
  return `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`
}
