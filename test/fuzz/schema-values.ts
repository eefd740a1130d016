// Values that a schema describes, and some that it does not.
import type { SchemaNode } from '../../src/api/schema/schema-node.ts'
import type { Noise } from './fuzz.ts'

const WORDS = [
  '',
  'a',
  '*',
  '.',
  '~',
  '/',
  'mesh',
  'reviews',
  'a.example.com',
  '*.example.com',
  'default/a',
  '10.0.0.1',
  '10.0.0.0/8',
  '::1',
  'a b',
  '(',
  '.*',
  '%',
  '80',
  'constructor',
  '__proto__',
  'http-web',
  '@request.auth.claims.a',
  'unix:///a',
  'x'.repeat(300),
  '{*}/{**}',
  '\u0000',
  '0s',
  '1h',
]
const NUMBERS = [0, 1, -1, 80, 443, 65535, 65536, 2 ** 31, 1e308, 0.5, Number.NaN]

/** `wild`: how often a value is of another type than the schema's. */
export function anyValue(node: SchemaNode, noise: Noise, wild: number, depth = 0): unknown {
  if (noise.chance(wild)) return noise.pick<unknown>([null, [], {}, 'a', 1, true, [[]], { a: [] }])
  if (node.durationMinMs !== undefined) return noise.pick(['1s', '100ms', '0s', '1h30m', '-1s', '1', ''])
  if (node.enum !== undefined) return noise.pick(node.enum)
  if (node.intOrString === true) return noise.pick<unknown>([80, 'http', '', -1])
  switch (node.type) {
    case 'boolean':
      return noise.chance(0.5)
    case 'integer':
    case 'number':
      return noise.pick(NUMBERS)
    case 'array':
      return Array.from({ length: noise.below(depth > 6 ? 1 : 4) }, () => anyValue(node.items ?? {}, noise, wild, depth + 1))
    case 'object':
      return objectOf(node, noise, wild, depth)
    default:
      return noise.pick(WORDS)
  }
}

function objectOf(node: SchemaNode, noise: Noise, wild: number, depth: number): Readonly<Record<string, unknown>> {
  const made: Record<string, unknown> = {}
  const likely = depth < 2 ? 0.5 : 0.25
  for (const [field, child] of Object.entries(node.properties ?? {})) {
    if (node.required?.includes(field) === true || noise.chance(likely)) made[field] = anyValue(child, noise, wild, depth + 1)
  }
  if (node.values !== undefined) {
    for (let count = noise.below(3); count > 0; count--) made[noise.pick(WORDS)] = anyValue(node.values, noise, wild, depth + 1)
  }
  return made
}
