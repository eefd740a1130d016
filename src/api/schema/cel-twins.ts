// The twin in TypeScript of every CEL rule in crds/, by the rule's text: the API server evaluates the one, we the other.
// Invariant: a rule without a twin, or a twin without a rule, fails schema/cel-twins.test.ts. A value of the wrong type passes here,
// because the type's own Finding is enough.
import { isRecord } from '../record.ts'

export type CelTwin = (value: unknown) => boolean

/** has(self.field) and not empty. */
function size(value: unknown, ...path: readonly string[]): number {
  let at: unknown = value
  for (const step of path) at = isRecord(at) ? at[step] : undefined
  if (Array.isArray(at) || typeof at === 'string') return at.length
  return isRecord(at) ? Object.keys(at).length : 0
}

function has(value: unknown, field: string): boolean {
  return isRecord(value) && field in value
}

function keysOf(value: unknown): readonly string[] {
  return isRecord(value) ? Object.keys(value) : []
}

export const celTwins: Readonly<Record<string, CelTwin>> = {
  "self.all(key, !key.contains('*'))": (labels) => keysOf(labels).every((key) => !key.includes('*')),
  'self.all(key, key.size() != 0)': (labels) => keysOf(labels).every((key) => key !== ''),
  "!self.contains('*')": (text) => typeof text !== 'string' || !text.includes('*'),
  '(has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0) || !has(self.portLevelMtls)': (spec) =>
    size(spec, 'selector', 'matchLabels') > 0 || !has(spec, 'portLevelMtls'),
  'self.all(key, 0 < int(key) && int(key) <= 65535)': (ports) => keysOf(ports).every((key) => /^\d+$/.test(key) && isPort(Number(key))),
}

function isPort(port: number): boolean {
  return port > 0 && port <= 65535
}
