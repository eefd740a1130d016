// google.protobuf.Any, typed: `any()` wraps a message for a field that takes any extension, `unpack()` takes it out again.
// The type name is checked by the compiler, so a typo in it or a field of the wrong extension does not build.
import type { AnyMessage, MessageTypes } from './generated/messages.gen.ts'

export const typeUrlPrefix = 'type.googleapis.com/'

export type MessageName = keyof MessageTypes

export function typeUrl(name: MessageName): string {
  return typeUrlPrefix + name
}

/** The full name in a type URL: whatever follows the last slash. */
export function nameInTypeUrl(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

export function any<K extends MessageName>(name: K, message: MessageTypes[K]): AnyMessage {
  return { '@type': typeUrlPrefix + name, ...message }
}

/** A message that is encoded already, for instance a cached resource: the codec copies its bytes. */
export function encodedAny(url: string, value: Uint8Array): AnyMessage {
  return { '@type': url, value }
}

/** The message when it is of that type and was decoded, else undefined: other type, absent, or left as bytes. */
export function unpack<K extends MessageName>(message: AnyMessage | undefined, name: K): MessageTypes[K] | undefined {
  if (message === undefined || nameInTypeUrl(message['@type']) !== name || message.value instanceof Uint8Array) return undefined
  // The codec decoded this object by the table entry of `name`, which the interface was generated from.
  return message as AnyMessage & MessageTypes[K]
}
