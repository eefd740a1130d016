// The shape of a list of honoured fields: a message's full name, and the names of its fields. What Envoy has no message or field for does
// not compile.
import type { MessageTypes } from '../generated/messages.gen.ts'

export type Honoured = { readonly [K in keyof MessageTypes]?: readonly (keyof MessageTypes[K])[] }
