// Lines marked 'as Envoy' were written by an Envoy 1.40 with the same format for such a request.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessLog } from '../config/proxy-config.ts'
import { checkJsonTemplate, checkTextFormat, compileAccessLog, compileHeaderFormat } from './access-log-format.ts'
import { connectionFacts, head, ISTIO_FORMAT, outcome } from './outcome.fixture.ts'
import type { Outcome } from './outcome.ts'

const line = (template: string, what: Outcome = outcome(), omitsEmptyValues = false) =>
  compileAccessLog({ target: { kind: 'stdout' }, format: { kind: 'text', template }, omitsEmptyValues })(what)

const json = (template: Readonly<Record<string, unknown>>, what: Outcome = outcome(), omitsEmptyValues = false) =>
  compileAccessLog({ target: { kind: 'stdout' }, format: { kind: 'json', template }, omitsEmptyValues } satisfies AccessLog)(what)

const refused = outcome({
  method: 'GET',
  path: '/none',
  status: 404,
  flags: 'NR',
  details: 'route_not_found',
  bytesReceived: 0,
  bytesSent: 0,
  durationMs: 0.2,
  cluster: undefined,
  clusterName: '',
  endpoint: undefined,
  upstreamLocalAddress: '',
  upstreamServiceTimeMs: undefined,
  response: undefined,
  routeName: '',
  requestId: '845703ea-f11d-4fe2-b446-c99fc12b3301',
})

test("Istio's default format, for a request that was forwarded (as Envoy)", () => {
  assert.equal(
    line(ISTIO_FORMAT, outcome({ cluster: undefined, clusterName: 'self' })),
    '[2026-11-21T10:53:06.301Z] "POST /self/x?q=1 HTTP/1.1" 200 - via_upstream - "-" 5 2 1 0 "-" "curl/7.88.1" "910d5561-ef25-424b-a8b0-d0da8a1ac1d7" "127.0.0.1:28900" "127.0.0.1:9080" self 127.0.0.1:51732 127.0.0.1:28900 127.0.0.1:51726 - self\n',
  )
})

test("Istio's default format, for a request without a route (as Envoy)", () => {
  assert.equal(
    line(ISTIO_FORMAT, refused),
    '[2026-11-21T10:53:06.301Z] "GET /none HTTP/1.1" 404 NR route_not_found - "-" 0 0 0 - "-" "curl/7.88.1" "845703ea-f11d-4fe2-b446-c99fc12b3301" "127.0.0.1:28900" "-" - - 127.0.0.1:28900 127.0.0.1:51726 - -\n',
  )
})

for (const [template, expected] of [
  ['%REQ(X-A):3% %REQ(X-A)% %REQ(X-B?X-A)% %REQ(X-B?X-C)%', 'abc abcdef abcdef -'],
  ['100%% %GRPC_STATUS%', '100% -'],
  ['%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s %f)%', '2026/11/21 10:53:06.301 1795258386 301000000'],
  ['%START_TIME(%FT%T%z)% %START_TIME(%E3S)%', '2026-11-21T10:53:06+0000 06.301'],
  ['%REQ_WITHOUT_QUERY(:PATH)% %REQ(:PATH):5%', '/self/x /self'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT%', '127.0.0.1 51726 28900'],
  ['%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', '127.0.0.1 9080 1'],
  ['%RESP(:STATUS)% %TRAILER(X)% %VIRTUAL_CLUSTER_NAME%', '200 - -'],
] as const) {
  test(`${template} prints ${expected}`, () => assert.equal(line(template), expected))
}

test('trailers are printed, and say how a gRPC call ended', () => {
  const ended = outcome({ responseTrailers: 'grpc-status: 5\r\nx-last: word\r\n' })
  assert.equal(line('%TRAILER(X-Last)% %TRAILER(X-None)% %GRPC_STATUS% %GRPC_STATUS_NUMBER%', ended), 'word - NotFound 5')
})

test('spaces in details become underscores (as Envoy), so that a line keeps its columns', () => {
  assert.equal(line('%RESPONSE_CODE_DETAILS%', outcome({ details: 'a b c' })), 'a_b_c')
})

test('an IPv6 endpoint is printed in brackets', () => {
  const { endpoint } = outcome()
  assert.ok(endpoint !== undefined)
  assert.equal(line('%UPSTREAM_HOST%', outcome({ endpoint: { ...endpoint, address: { host: '::1', port: 80 } } })), '[::1]:80')
})

test('gRPC status has a name and a number', () => {
  assert.equal(line('%GRPC_STATUS% %GRPC_STATUS_NUMBER%', outcome({ response: head({ 'grpc-status': '14' }) })), 'Unavailable 14')
})

test('milliseconds are padded, also across a change of second', () => {
  const at = (ms: number) => line('%START_TIME%', outcome({ startedAtMs: Date.UTC(2026, 0, 1) + ms }))
  assert.deepEqual([at(7), at(1042), at(7)], ['2026-01-01T00:00:00.007Z', '2026-01-01T00:00:01.042Z', '2026-01-01T00:00:00.007Z'])
})

test('JSON: sorted keys, numbers stay numbers, what is missing is null (as Envoy)', () => {
  const template = {
    z: '%RESPONSE_CODE%',
    a: '%REQ(X-MISSING)%',
    b: '%REQ(X-MISSING)% x %PROTOCOL%',
    n: 5,
    nest: { k: '%REQ(X-MISSING)%' },
    list: ['%DURATION%', 'q'],
  }
  assert.equal(json(template, refused), '{"a":null,"b":"- x HTTP/1.1","list":[0,"q"],"n":5,"nest":{"k":null},"z":404}\n')
})

test('JSON: empty values can be left out, and quotes cannot break out', () => {
  assert.equal(json({ a: '%REQ(X-MISSING)%', b: '%REQ(X-A)%' }, outcome(), true), '{"b":"abcdef"}\n')
  const hostile = outcome({ request: head({ 'x-a': '","admin":"true' }) })
  assert.deepEqual(JSON.parse(json({ b: '%REQ(X-A)%' }, hostile)), { b: '","admin":"true' })
})

test('an unknown operator, a missing argument and a lone percent sign are problems', () => {
  assert.match(checkTextFormat('%RESPONSE_FLAG%')[0]?.message ?? '', /did you mean %RESPONSE_FLAGS%/)
  assert.match(checkTextFormat('%REQ%')[0]?.message ?? '', /needs a header's name/)
  assert.match(checkTextFormat('50% of it')[0]?.message ?? '', /write '%%'/)
  assert.match(checkTextFormat('%START_TIME(%Q)%')[0]?.message ?? '', /'%Q' is not supported/)
  assert.equal(checkTextFormat(ISTIO_FORMAT).length, 0)
  assert.deepEqual(
    checkJsonTemplate({ a: { b: ['%NOPE%'] } }).map(({ path }) => path),
    ['["a"]["b"][0]'],
  )
})

test('in a header value what is missing is empty', () => {
  const value = compileHeaderFormat('%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%REQUESTED_SERVER_NAME%')
  assert.equal(value(outcome({ connection: connectionFacts() })), '127.0.0.1|')
})
