import assert from 'node:assert/strict'
import { test } from 'node:test'
import { any, encodedAny, typeUrl } from '../any.ts'
import { fullCodec } from '../full-codec.ts'
import { proxyCodec } from '../proxy-codec.ts'

const CLUSTER = 'envoy.config.cluster.v3.Cluster'
const LISTENER = 'envoy.config.listener.v3.Listener'
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router'
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'

function problemsOf(result: {
  readonly ok: boolean
  readonly problems?: readonly { readonly path: string; readonly message: string }[]
}): string[] {
  assert.equal(result.ok, false)
  return (result.problems ?? []).map(({ path, message }) => `${path}: ${message}`)
}

test('bytes are those of the protobuf specification', () => {
  // Cluster.name = 1, connect_timeout = 4 {seconds = 1, nanos = 2}, lb_policy = 6.
  const bytes = fullCodec.encode(CLUSTER, { lbPolicy: 'RANDOM', name: 'a', connectTimeout: 1250 })
  assert.equal(bytes.toString('hex'), '0a0161' + '2207' + '0801' + '1080e59a77' + '3003')
})

test('equal messages give equal bytes, whatever the order of their properties and keys', () => {
  const first = fullCodec.encode(CLUSTER, { name: 'a', metadata: { filterMetadata: { a: { x: 1, y: 2 }, b: {} } }, type: 'EDS' })
  const second = fullCodec.encode(CLUSTER, { type: 'EDS', metadata: { filterMetadata: { b: {}, a: { y: 2, x: 1 } } }, name: 'a' })
  assert.deepEqual(first, second)
})

test('zero is absent, except where presence speaks', () => {
  assert.equal(fullCodec.encode(LISTENER, { name: '', trafficDirection: 'UNSPECIFIED', tcpFastOpenQueueLength: undefined }).length, 0)
  // A wrapper and a member of a oneof keep their zero.
  const wrapper = fullCodec.decode(LISTENER, fullCodec.encode(LISTENER, { bindToPort: false }))
  assert.deepEqual(wrapper, { ok: true, value: { bindToPort: false } })
  const member = fullCodec.encode('envoy.config.core.v3.SocketAddress', { portValue: 0 })
  assert.deepEqual(fullCodec.decode('envoy.config.core.v3.SocketAddress', member), { ok: true, value: { portValue: 0 } })
})

test('an unknown property is refused with its path', () => {
  const message = { filterChains: [{ filters: [{ name: 'f', typedConfig: { '@type': typeUrl(ROUTER), suppressHeaders: true } }] }] }
  assert.throws(
    () => fullCodec.encode(LISTENER, message),
    /filterChains\[0\]\.filters\[0\]\.typedConfig.*Router has no field 'suppressHeaders'/,
  )
})

test('a value of the wrong type or range is refused with its path', () => {
  assert.throws(
    () => fullCodec.encode(CLUSTER, { circuitBreakers: { thresholds: [{ maxRetries: -1 }] } }),
    /thresholds\[0\]\.maxRetries.*whole number from 0/,
  )
})

test('a message that was encoded before is copied, and decodes to its fields', () => {
  const inner = fullCodec.encode(ROUTER, { suppressEnvoyHeaders: true })
  const outer = fullCodec.encode('envoy.config.listener.v3.Filter', { name: 'r', typedConfig: encodedAny(typeUrl(ROUTER), inner) })
  const inline = fullCodec.encode('envoy.config.listener.v3.Filter', {
    name: 'r',
    typedConfig: any(ROUTER, { suppressEnvoyHeaders: true }),
  })
  assert.deepEqual(outer, inline)
})

test('resources can be left as bytes, to be decoded one by one', () => {
  const cluster = fullCodec.encode(CLUSTER, { name: 'a' })
  const response = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
    resources: [{ name: 'a', resource: encodedAny(typeUrl(CLUSTER), cluster) }],
  })
  const decoded = proxyCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', response, { keepAny: true })
  assert.ok(decoded.ok)
  assert.deepEqual(decoded.value.resources?.[0]?.resource, { '@type': typeUrl(CLUSTER), value: new Uint8Array(cluster) })
})

test('an unhonoured field is named with its path and number, in bytes and in JSON', () => {
  const message = { outlierDetection: { consecutive5xx: 5 }, name: 'a' }
  const expected = `outlier_detection: field 'outlier_detection' (number 19 of ${CLUSTER}) is not supported; remove it or allow unsupported fields`
  assert.deepEqual(problemsOf(proxyCodec.decode(CLUSTER, fullCodec.encode(CLUSTER, message))), [expected])
  assert.deepEqual(problemsOf(proxyCodec.fromJson(CLUSTER, { name: 'a', outlier_detection: { consecutive_5xx: 5 } })), [expected])
})

test('an unhonoured field that says nothing does not count', () => {
  const result = proxyCodec.fromJson(LISTENER, {
    name: 'a',
    transparent: null,
    socket_options: [],
    tcp_backlog_size: 5,
    enable_mptcp: false,
    api_listener: {},
  })
  assert.deepEqual(result, { ok: true, value: { name: 'a', tcpBacklogSize: 5 } })
  // Field 30 is enable_mptcp, varint 0; field 19 is api_listener, empty.
  assert.deepEqual(proxyCodec.decode(LISTENER, Buffer.from('f001009a0100', 'hex')), { ok: true, value: {} })
  assert.equal(proxyCodec.decode(LISTENER, Buffer.from('f00101', 'hex')).ok, false)
})

test('an unhonoured wrapper counts even when false: it may change what is on by default', () => {
  assert.equal(proxyCodec.fromJson(LISTENER, { freebind: false }).ok, false)
})

test('with a listener, unsupported fields are told and the rest is decoded', () => {
  const told: string[] = []
  const result = proxyCodec.fromJson(
    CLUSTER,
    { name: 'a', outlier_detection: { consecutive_5xx: 5 }, health_checks: [{}] },
    { onUnsupported: (path) => told.push(path) },
  )
  assert.deepEqual(result, { ok: true, value: { name: 'a' } })
  assert.deepEqual(told, ['outlier_detection', 'health_checks'])
})

test('an extension that the table does not have is named where it stands', () => {
  const config = any('envoy.extensions.filters.http.lua.v3.Lua', { inlineCode: 'x' })
  const bytes = fullCodec.encode(LISTENER, { filterChains: [{ filters: [{ name: 'lua', typedConfig: config }] }] })
  const expected = "filter_chains[0].filters[0].typed_config: extension 'envoy.extensions.filters.http.lua.v3.Lua' is not supported"
  assert.deepEqual(problemsOf(proxyCodec.decode(LISTENER, bytes)), [expected])
})

test('a field number of a newer API is named', () => {
  assert.deepEqual(problemsOf(proxyCodec.decode(CLUSTER, Buffer.from('c01f01', 'hex'))), [
    `: field number 504 of ${CLUSTER} is not known; it may belong to a newer Envoy API`,
  ])
})

test('a misspelt field gets a suggestion, and every mistake is reported', () => {
  const json = {
    filter_chains: [
      { filters: [{ name: 'x', typed_config: { '@type': typeUrl(HCM), stat_prefx: 'a', codec_type: 'HTTTP1', drain_timeout: '5 s' } }] },
    ],
    address: { socket_address: { port_value: '80x' } },
  }
  assert.deepEqual(problemsOf(proxyCodec.fromJson(LISTENER, json)), [
    `filter_chains[0].filters[0].typed_config.stat_prefx: unknown field 'stat_prefx' of ${HCM}; did you mean 'stat_prefix'?`,
    `filter_chains[0].filters[0].typed_config.codec_type: "HTTTP1" is not a value of ${HCM}.CodecType; did you mean HTTP1?`,
    'filter_chains[0].filters[0].typed_config.drain_timeout: "5 s" is not a duration; write seconds such as "5s" or "0.25s"',
    'address.socket_address.port_value: expected a number, got "80x"',
  ])
})

test('JSON is read in both spellings, with every form that ProtoJSON allows', () => {
  const value = {
    connectTimeout: 250,
    type: 'EDS',
    maxRequestsPerConnection: 7,
    metadata: { filterMetadata: { istio: { list: [1, null] } } },
    typedExtensionProtocolOptions: { x: { '@type': 'type.googleapis.com/google.protobuf.UInt32Value', value: 3 } },
  }
  const snake = {
    connect_timeout: '0.25s',
    type: 3,
    max_requests_per_connection: '7',
    metadata: { filter_metadata: { istio: { list: [1, null] } } },
    typed_extension_protocol_options: { x: { '@type': 'type.googleapis.com/google.protobuf.UInt32Value', value: 3 } },
  }
  const camel = {
    connectTimeout: '0.250s',
    type: 'EDS',
    maxRequestsPerConnection: 7,
    metadata: { filterMetadata: { istio: { list: [1, null] } } },
    typedExtensionProtocolOptions: snake.typed_extension_protocol_options,
  }
  assert.deepEqual(proxyCodec.fromJson(CLUSTER, snake), { ok: true, value })
  assert.deepEqual(proxyCodec.fromJson(CLUSTER, camel), { ok: true, value })
})

test('two members of a oneof, and one field in both spellings, are refused in JSON', () => {
  const problems = problemsOf(
    proxyCodec.fromJson('envoy.config.route.v3.RouteMatch', { prefix: '/', path: '/x', case_sensitive: true, caseSensitive: true }),
  )
  assert.deepEqual(problems, [
    "path: cannot stand beside 'prefix': only one of them may be set",
    "case_sensitive: given twice, as 'case_sensitive' and 'caseSensitive'",
  ])
})

test('of two members of a oneof in bytes, the last wins', () => {
  const bytes = Buffer.concat([
    fullCodec.encode('envoy.config.route.v3.RouteMatch', { prefix: '/' }),
    fullCodec.encode('envoy.config.route.v3.RouteMatch', { path: '/x' }),
  ])
  assert.deepEqual(fullCodec.decode('envoy.config.route.v3.RouteMatch', bytes), { ok: true, value: { path: '/x' } })
})

test('JSON comes out as Envoy prints it', () => {
  const json = fullCodec.toJson(CLUSTER, {
    connectTimeout: 1500,
    name: 'a',
    metadata: { filterMetadata: { b: {}, a: { z: 1, y: 2 } } },
    transportSocket: { name: 't', typedConfig: any(ROUTER, { suppressEnvoyHeaders: true }) },
  })
  assert.equal(
    JSON.stringify(json),
    '{"name":"a","connect_timeout":"1.500s","transport_socket":{"name":"t","typed_config":' +
      `{"@type":"type.googleapis.com/${ROUTER}","suppress_envoy_headers":true}},"metadata":{"filter_metadata":{"a":{"y":2,"z":1},"b":{}}}}`,
  )
})

test('a key called __proto__ is a key', () => {
  const message = { metadata: { filterMetadata: JSON.parse('{"__proto__": {"__proto__": 1}}') } }
  const decoded = fullCodec.decode(CLUSTER, fullCodec.encode(CLUSTER, message))
  assert.ok(decoded.ok)
  assert.deepEqual(Object.keys(decoded.value.metadata?.filterMetadata ?? {}), ['__proto__'])
  assert.equal(Object.getPrototypeOf(decoded.value.metadata?.filterMetadata), Object.prototype)
})

test('a 64-bit number that JavaScript cannot hold exactly is a problem, not a wrong number', () => {
  // IstioCertificateRequest.validity_duration = 3, 2^53 + 1.
  const bytes = Buffer.from('1881808080808080' + '10', 'hex')
  assert.match(problemsOf(fullCodec.decode('istio.v1.auth.IstioCertificateRequest', bytes)).join(), /9007199254740993 is outside/)
  const low = fullCodec.encode('istio.v1.auth.IstioCertificateRequest', { validityDuration: -5 })
  assert.deepEqual(fullCodec.decode('istio.v1.auth.IstioCertificateRequest', low), { ok: true, value: { validityDuration: -5 } })
})
