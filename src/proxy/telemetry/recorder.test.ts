import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { createLogger, silentLogger } from '../../base/log.ts'
import type { AccessLog } from '../config/proxy-config.ts'
import { AccessLogWriter, MAX_BUFFERED_BYTES } from './access-log-writer.ts'
import { IstioMetrics } from './istio-metrics.ts'
import { MetricRegistry } from './metrics.ts'
import { connectionFacts, head, outcome, peer, reviewsCluster } from './outcome.fixture.ts'
import type { Outcome } from './outcome.ts'
import { prometheusText } from './prometheus-text.ts'
import { Recorder } from './recorder.ts'

const SELF = { labels: peer('productpage'), principal: () => 'spiffe://td/ns/default/sa/productpage' }

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'lateen-log-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

function exposition(metrics: IstioMetrics): string {
  const registry = new MetricRegistry()
  metrics.register(registry, { component: 'proxy', tag: '0.1.0' })
  return [...prometheusText(registry.families)].join('')
}

const series = (text: string, name: string) => text.split('\n').filter((each) => each.startsWith(`${name}{`))

test('a client counts as the source, with the labels of both ends', () => {
  const metrics = new IstioMetrics(SELF)
  const forwarded = outcome({ upstreamMutualTls: true, upstreamPrincipal: 'spiffe://td/ns/default/sa/reviews' })
  metrics.recordHttp(forwarded)
  metrics.recordHttp(forwarded)
  assert.deepEqual(series(exposition(metrics), 'istio_requests_total'), [
    'istio_requests_total{reporter="source",source_workload="productpage-v1",source_workload_namespace="default",source_principal="spiffe://td/ns/default/sa/productpage",source_app="productpage",source_version="v1",source_canonical_service="productpage",source_canonical_revision="v1",source_cluster="Kubernetes",destination_workload="reviews-v2",destination_workload_namespace="default",destination_principal="spiffe://td/ns/default/sa/reviews",destination_app="reviews",destination_version="v2",destination_canonical_service="reviews",destination_canonical_revision="v2",destination_cluster="Kubernetes",destination_service="reviews.default.svc.cluster.local",destination_service_name="reviews",destination_service_namespace="default",request_protocol="http",response_code="200",grpc_response_status="",response_flags="-",connection_security_policy="unknown"} 2',
  ])
})

test('a server counts as the destination, and knows whether the connection was mutual TLS', () => {
  const metrics = new IstioMetrics(SELF)
  const connection = connectionFacts({
    direction: 'inbound',
    mutualTls: true,
    peerPrincipal: 'spiffe://td/ns/x/sa/y',
    localPrincipal: 'spiffe://td/ns/default/sa/productpage',
    peer: peer('gateway'),
  })
  metrics.recordHttp(outcome({ connection, status: 503, flags: 'UF,URX' }))
  metrics.recordHttp(outcome({ connection: connectionFacts({ direction: 'inbound' }) }))
  const [known = '', unknown = ''] = series(exposition(metrics), 'istio_requests_total')
  for (const part of [
    'reporter="destination"',
    'source_workload="gateway-v1"',
    'source_principal="spiffe://td/ns/x/sa/y"',
    'destination_workload="productpage-v1"',
    'response_code="503"',
    'response_flags="UF,URX"',
    'connection_security_policy="mutual_tls"',
  ]) {
    assert.ok(known.includes(part), `${part} in ${known}`)
  }
  for (const part of [
    'source_workload="unknown"',
    'source_canonical_revision="latest"',
    'source_principal="unknown"',
    'connection_security_policy="none"',
  ]) {
    assert.ok(unknown.includes(part), `${part} in ${unknown}`)
  }
})

test('a peer that becomes known during a connection changes the series', () => {
  const metrics = new IstioMetrics(SELF)
  const connection = connectionFacts({ direction: 'inbound' })
  metrics.recordHttp(outcome({ connection }))
  connection.peer = peer('ratings')
  metrics.recordHttp(outcome({ connection }))
  assert.deepEqual(
    series(exposition(metrics), 'istio_requests_total').map((each) => /source_app="(\w+)"/.exec(each)?.[1]),
    ['unknown', 'ratings'],
  )
})

test('built-in clusters are named as they are; a name without metadata gives the service', () => {
  const metrics = new IstioMetrics(SELF)
  metrics.recordHttp(outcome({ clusterName: 'PassthroughCluster', cluster: undefined, endpoint: undefined }))
  metrics.recordHttp(outcome({ clusterName: 'outbound|80||a.b.svc.cluster.local', cluster: undefined, endpoint: undefined }))
  const services = series(exposition(metrics), 'istio_requests_total').map((each) =>
    /destination_service="([^"]*)",destination_service_name="([^"]*)",destination_service_namespace="([^"]*)"/.exec(each)?.slice(1),
  )
  assert.deepEqual(services, [
    ['PassthroughCluster', 'PassthroughCluster', 'unknown'],
    ['a.b.svc.cluster.local', 'a', 'b'],
  ])
})

test('gRPC has its protocol and its status', () => {
  const metrics = new IstioMetrics(SELF)
  metrics.recordHttp(outcome({ request: head({ 'content-type': 'application/grpc+proto' }), response: head({ 'grpc-status': '5' }) }))
  assert.match(exposition(metrics), /request_protocol="grpc",response_code="200",grpc_response_status="5"/)
})

test('the status of a gRPC call that has an answer is what its trailers say', () => {
  const metrics = new IstioMetrics(SELF)
  const request = head({ 'content-type': 'application/grpc' })
  metrics.recordHttp(outcome({ request, responseTrailers: 'x-other: 1\r\nGrpc-Status: 0\r\n' }))
  assert.match(exposition(metrics), /request_protocol="grpc",response_code="200",grpc_response_status="0"/)
})

test('histograms are cumulative, in the buckets of Istio, with sum and count', () => {
  const metrics = new IstioMetrics(SELF)
  for (const durationMs of [0.2, 3, 3, 70, 4_000_000]) metrics.recordHttp(outcome({ durationMs }))
  const text = exposition(metrics)
  const bucket = (le: string) =>
    new RegExp(`istio_request_duration_milliseconds_bucket\\{.*le="${le.replace('+', '\\+')}"\\} (\\d+)`).exec(text)?.[1]
  assert.deepEqual(['0.5', '1', '5', '50', '100', '3600000', '+Inf'].map(bucket), ['1', '1', '3', '3', '4', '4', '5'])
  assert.match(text, /istio_request_duration_milliseconds_count\{.*\} 5\n/)
  assert.match(text, /istio_request_bytes_sum\{.*\} 525\n/)
})

test('a TCP connection is counted with its bytes and without a status', () => {
  const metrics = new IstioMetrics(SELF)
  metrics.recordTcp(outcome({ status: 0, bytesReceived: 10, bytesSent: 20 }))
  const text = exposition(metrics)
  assert.match(text, /istio_tcp_connections_closed_total\{.*request_protocol="tcp",response_flags="-".*\} 1\n/)
  assert.match(text, /istio_tcp_sent_bytes_total\{.*\} 20\n/)
  assert.equal(series(text, 'istio_tcp_received_bytes_total')[0]?.includes('response_code'), false)
})

test('short connections share a cell only where every label is the same', () => {
  let own = 'spiffe://cluster.local/ns/default/sa/old'
  const metrics = new IstioMetrics({ ...SELF, principal: () => own })
  const connect = (fields: Partial<Outcome> = {}): void =>
    metrics.recordTcp(outcome({ connection: connectionFacts(), status: 0, upstreamMutualTls: true, ...fields }))
  connect()
  connect()
  own = 'spiffe://cluster.local/ns/default/sa/new'
  connect()
  connect({ upstreamPrincipal: 'spiffe://cluster.local/ns/default/sa/other' })
  // The cluster was updated, its endpoints were not.
  const services = [{ host: 'renamed.default.svc.cluster.local', name: 'renamed', namespace: 'default' }]
  connect({ cluster: { ...reviewsCluster, metadata: { config: undefined, services } } })

  const counts = series(exposition(metrics), 'istio_tcp_connections_closed_total').map((each) => each.split(' ').at(-1))
  assert.deepEqual(counts, ['2', '1', '1', '1'])
})

test('beyond the bound everything is still counted, under other', () => {
  const metrics = new IstioMetrics(SELF, 3)
  for (let index = 0; index < 50; index++)
    metrics.recordHttp(outcome({ connection: connectionFacts({ direction: 'inbound', peer: peer(`p${index}`) }) }))
  const all = series(exposition(metrics), 'istio_requests_total')
  assert.equal(all.length, 4)
  assert.equal(
    all.map((each) => Number(each.split(' ').at(-1))).reduce((sum, each) => sum + each, 0),
    50,
  )
  assert.match(all.at(-1) ?? '', /reporter="destination",source_workload="other".* 47$/)
})

test('each outcome gives one line per log, in order, in files that keep what they had', async (t) => {
  const file = path.join(folder(t), 'access.log')
  const log: AccessLog = {
    target: { kind: 'file', path: file },
    format: { kind: 'text', template: '%RESPONSE_CODE% %PROTOCOL%\n' },
    omitsEmptyValues: false,
  }
  const clock = new FakeClock()
  for (const round of [1, 2]) {
    const recorder = new Recorder(new IstioMetrics(SELF), clock, silentLogger)
    for (let index = 0; index < 3; index++) recorder.recordHttp(outcome({ status: round * 100 + index }), [log])
    recorder.recordTcp(outcome({ status: 0, protocol: '' }), [log])
    await recorder.close()
  }
  assert.equal(readFileSync(file, 'utf8'), '100 HTTP/1.1\n101 HTTP/1.1\n102 HTTP/1.1\n0 -\n200 HTTP/1.1\n201 HTTP/1.1\n202 HTTP/1.1\n0 -\n')
})

test('lines wait for the timer, not for a full buffer', async (t) => {
  const file = path.join(folder(t), 'access.log')
  const clock = new FakeClock()
  const writer = new AccessLogWriter({ kind: 'file', path: file }, clock, silentLogger)
  t.after(() => writer.close())
  writer.write('one\n')
  assert.equal(readFileSync(file, 'utf8'), '')
  clock.advance(100)
  await writer.flush()
  assert.equal(readFileSync(file, 'utf8'), 'one\n')
})

test('after a rotation lines go to the new file and none is lost', async (t) => {
  const file = path.join(folder(t), 'access.log')
  const writer = new AccessLogWriter({ kind: 'file', path: file }, new FakeClock(), silentLogger)
  writer.write('before\n')
  await writer.flush()
  renameSync(file, `${file}.1`)
  writer.reopen()
  writer.write('after\n')
  await writer.close()
  assert.deepEqual([readFileSync(`${file}.1`, 'utf8'), readFileSync(file, 'utf8')], ['before\n', 'after\n'])
})

test('a full buffer drops whole lines and counts them', async (t) => {
  const writer = new AccessLogWriter({ kind: 'file', path: path.join(folder(t), 'access.log') }, new FakeClock(), silentLogger)
  t.after(() => writer.close())
  const line = `${'x'.repeat(1023)}\n`
  const sent = (2 * MAX_BUFFERED_BYTES) / line.length
  for (let index = 0; index < sent; index++) writer.write(line)
  const { lines, dropped } = writer.status
  assert.ok(dropped > 0)
  assert.equal(lines + dropped, sent)
  await writer.flush()
  writer.write(line)
  assert.equal(writer.status.dropped, dropped)
})

test('many lines, long lines and text beyond ASCII arrive whole and in order', async (t) => {
  const file = path.join(folder(t), 'access.log')
  const writer = new AccessLogWriter({ kind: 'file', path: file }, new FakeClock(), silentLogger)
  const lines = Array.from({ length: 3000 }, (_, index) => `${index} ${index % 500 === 7 ? 'ü'.repeat(40_000) : 'x'.repeat(index % 97)}\n`)
  for (const [index, line] of lines.entries()) {
    writer.write(line)
    if (index % 250 === 249) await writer.flush()
  }
  await writer.close()
  assert.equal(writer.status.dropped, 0)
  assert.equal(readFileSync(file, 'utf8'), lines.join(''))
})

test('a log that cannot be opened is said once and costs nothing else', async (t) => {
  const said: string[] = []
  const log = createLogger({ level: 'warn', format: 'text', write: (each) => said.push(each), nowMs: () => 0 })
  const writer = new AccessLogWriter({ kind: 'file', path: path.join(folder(t), 'missing/access.log') }, new FakeClock(), log)
  writer.write('a\n')
  await writer.flush()
  writer.write('b\n')
  await writer.close()
  assert.equal(said.length, 1)
  assert.ok(writer.status.failedWrites >= 2)
})

test('label values are escaped', () => {
  const metrics = new IstioMetrics({ labels: { ...peer('a'), app: 'q"\\\n' }, principal: () => '' })
  metrics.recordHttp(outcome({ cluster: reviewsCluster }))
  assert.match(exposition(metrics), /source_app="q\\"\\\\\\n"/)
})

test('connections that a client broke are counted by their error, answered requests are not', () => {
  const recorder = new Recorder(new IstioMetrics(SELF), new FakeClock(), silentLogger)
  const broken = { flags: 'DPE', status: 0, details: 'http2.enhance_your_calm' }
  for (const each of [broken, broken, { ...broken, details: 'http2.protocol_error' }, {}]) recorder.recordHttp(outcome(each), [])
  const registry = new MetricRegistry()
  recorder.register(registry)
  const lines = [...prometheusText(registry.families)]
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('lateen_proxy_http2'))
  assert.deepEqual(lines, [
    'lateen_proxy_http2_connection_errors_total{error="enhance_your_calm"} 2',
    'lateen_proxy_http2_connection_errors_total{error="protocol_error"} 1',
  ])
})
