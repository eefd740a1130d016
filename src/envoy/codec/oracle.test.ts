// Our codec against protobufjs, which reads the same protos but shares no code with ours: same bytes, same JSON.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import protojson from 'protobufjs/ext/protojson.js'
import { loadReflection } from '../../../scripts/gen-envoy/load.ts'
import { type Random, seededRandom } from '../../base/random.ts'
import { any, type MessageName } from '../any.ts'
import { fullCodec } from '../full-codec.ts'
import { tableText } from '../generated/full-table.gen.ts'
import * as kinds from './schema.ts'
import { type FieldSchema, type MessageSchema, Schema } from './schema.ts'

const reflection = loadReflection()
const schema = new Schema(tableText)

const ROOTS: readonly MessageName[] = [
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
  'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
  'envoy.extensions.filters.http.ratelimit.v3.RateLimit',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.admin.v3.ConfigDump',
  'envoy.config.core.v3.Node',
  'istio.v1.auth.IstioCertificateRequest',
]

/** Fields are set with a chance that falls with depth, so that messages stay small. */
function randomMessage(type: MessageSchema, random: Random, depth: number): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  for (const field of type.fields) {
    if (random() > (depth === 0 ? 0.4 : 0.25 / depth)) continue
    if (field.rivals.some((rival) => message[rival.camel] !== undefined)) continue
    const value = randomField(field, random, depth)
    if (value !== undefined) message[field.camel] = value
  }
  return message
}

function randomField(field: FieldSchema, random: Random, depth: number): unknown {
  const one = (): unknown => randomValue(field, random, depth)
  if (field.key !== undefined) {
    const keys =
      field.key.kind === kinds.STRING ? ['a', 'b b', 'ключ'] : field.key.kind === kinds.BOOL ? ['false', 'true'] : ['1', '2', '30']
    return Object.fromEntries(keys.slice(0, 1 + Math.floor(random() * 3)).flatMap((key) => (one() === undefined ? [] : [[key, one()]])))
  }
  if (!field.repeated) return one()
  return Array.from({ length: 1 + Math.floor(random() * 3) }, one).filter((item) => item !== undefined)
}

function randomValue(field: FieldSchema, random: Random, depth: number): unknown {
  const pick = <T>(...values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)]
  switch (field.kind) {
    case kinds.MESSAGE:
      return depth > 6 || field.message === undefined ? undefined : randomMessage(field.message, random, depth + 1)
    case kinds.ENUM:
      // Aliases of a number print as its first name; take names that survive the way there and back.
      return pick(...(field.enum?.names.values() ?? []))
    case kinds.STRING:
      return pick(
        'x',
        '',
        'a longer text with more than twenty-four characters',
        'é',
        'ünïcode 日本語 🚀 and some more text',
        'reviews.default.svc',
      )
    case kinds.BYTES:
      return pick(new Uint8Array(0), new Uint8Array([0, 255, 128]), new Uint8Array(200).fill(7))
    case kinds.BOOL:
      return random() < 0.5
    case kinds.DURATION:
      return pick(0, 250, 1500, 3_600_000, 0.5, 15_000)
    case kinds.TIMESTAMP:
      return pick('2026-01-31T12:00:00Z', '1970-01-01T00:00:00.500Z', '2030-06-01T01:02:03.123456789Z')
    case kinds.STRUCT:
      return { flag: true, list: [1, 'two', null, { three: 3 }], nothing: null, number: 1.5, text: 'ü' }
    case kinds.VALUE:
      return pick<unknown>('text', 3, true, ['a'], { b: 'c' })
    case kinds.LIST_VALUE:
      return ['a', 1]
    case kinds.ANY:
      return pick(
        any('envoy.extensions.filters.http.router.v3.Router', { suppressEnvoyHeaders: true }),
        any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { sni: 'a.b', commonTlsContext: { alpnProtocols: ['h2'] } }),
        any('envoy.extensions.filters.http.cors.v3.Cors', {}),
      )
    case kinds.DOUBLE:
      return pick(0, 1.25, -3e10, 1e-7)
    case kinds.FLOAT:
      return pick(0, 0.5, -2.25)
    default: {
      const [low, high] = kinds.integerRange(field.kind)
      return pick(0, 1, 127, 128, 300, 16_384, high, low, Math.floor(random() * 65_536))
    }
  }
}

for (const name of ROOTS) {
  test(`${name}: protobufjs reads our bytes, writes the same ones, and prints the same JSON`, () => {
    const type = schema.message(name)
    assert.ok(type !== undefined)
    const oracle = reflection.lookupType(name)
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const message = randomMessage(type, seededRandom(seed), 0)
        const bytes = fullCodec.encode(name, message)
        const theirs = oracle.decode(bytes)
        assert.ok(Buffer.from(oracle.encode(theirs).finish()).equals(bytes), 'bytes differ')
        const decoded = fullCodec.decode(name, bytes)
        assert.ok(decoded.ok, JSON.stringify(decoded))
        assert.ok(fullCodec.encode(name, decoded.value).equals(bytes), 'decoding loses something')
        assert.deepEqual(fullCodec.toJson(name, decoded.value, { names: 'camel' }), protojson.toJson(oracle, theirs))
        for (const names of ['snake', 'camel'] as const) {
          const back = fullCodec.fromJson(name, fullCodec.toJson(name, message, { names }))
          assert.ok(back.ok, JSON.stringify(back))
          assert.ok(fullCodec.encode(name, back.value).equals(bytes), `JSON (${names}) loses something`)
        }
      }),
      { seed: 20260131, numRuns: 60 },
    )
  })
}

test('the oracle notices a wrong field number', () => {
  const wrong = new Schema('envoy.config.core.v3.Locality|region 2 s\n\n')
  assert.notEqual(
    wrong.message('envoy.config.core.v3.Locality')?.byName('region')?.number,
    reflection.lookupType('envoy.config.core.v3.Locality').fields.region?.id,
  )
})
