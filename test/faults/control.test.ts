// A control plane that sends garbage, under load: docs/faults.md 10. What was in force before stays in force, and memory stays bounded.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../src/envoy/type-urls.ts'
import { frameMessage } from '../../src/proxy/grpc/framing.ts'
import { socketAddress } from './bootstrap.ts'
import { describe, type Sidecar, startBackend, startSidecar } from './sidecar.ts'

const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse'
type Answer = (stream: ServerHttp2Stream, turn: number) => void

/** Accepts the ADS stream and does with it what the test says: the first answer to the first stream, and so on; the last one for all after. */
async function startGarbage(
  t: TestContext,
  answers: readonly Answer[],
): Promise<{ readonly port: number; readonly streams: () => number }> {
  const server: Http2Server = createServer()
  let streams = 0
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => undefined)
  })
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined)
    stream.resume()
    const turn = streams++
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    answers[Math.min(turn, answers.length - 1)]?.(stream, turn)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const address = server.address()
  return { port: typeof address === 'object' && address !== null ? address.port : 0, streams: () => streams }
}

function message(typeUrl: string, resources: readonly object[] = []): Buffer {
  return frameMessage(
    fullCodec.encode(RESPONSE, { typeUrl, nonce: 'of nobody', systemVersionInfo: '1', resources: [...resources] } as never),
  )
}

const clusterOf = (port: number): Record<string, unknown> => ({
  name: 'xds',
  type: 'STATIC',
  connect_timeout: '1s',
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  load_assignment: {
    cluster_name: 'xds',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress('127.0.0.1', port) } }] }],
  },
})

const ads = {
  dynamic_resources: {
    ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
    cds_config: { ads: {}, resource_api_version: 'V3' },
    lds_config: { ads: {}, resource_api_version: 'V3' },
  },
}

/** What every garbage begins with: a complete configuration, so that the proxy is ready and has something to lose. */
const nothingMore: Answer = (stream) => {
  stream.write(message(CLUSTER_TYPE))
  stream.write(message(LISTENER_TYPE))
}

const GARBAGE: readonly Answer[] = [
  // Not a message: the bytes of a length-delimited field that goes on beyond the end.
  (stream) => stream.write(frameMessage(Buffer.from('0affffffff0f', 'hex'))),
  // Not gRPC.
  (stream) => stream.write('<html>503 Service Unavailable</html>'),
  // A message of four gigabytes, announced.
  (stream) => stream.write(Buffer.from('00ffffffff', 'hex')),
  // Compressed, which nobody offered.
  (stream) => stream.write(Buffer.from('010000000141', 'hex')),
  // A resource whose bytes are not what its type says, one of an unknown type, one without a name.
  (stream) => {
    stream.write(message(CLUSTER_TYPE, [{ name: 'bad', version: '1', resource: { '@type': CLUSTER_TYPE, name: '', type: 'EDS' } }]))
    stream.write(message('type.googleapis.com/no.such.Type'))
    stream.write(message(''))
    stream.end()
  },
  // The stream ends with an error, or at once.
  (stream) => stream.close(2),
  (stream) => stream.end(),
]

async function underGarbage(t: TestContext, answers: readonly Answer[]): Promise<Sidecar> {
  const backend = await startBackend(t)
  const control = await startGarbage(t, answers)
  return await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port }, clusters: [clusterOf(control.port)], root: ads })
}

test('bytes that are no messages, messages that are no configuration: refused, counted, and the old one stays in force', async (t) => {
  const first: Answer = (stream) => {
    nothingMore(stream, 0)
    setTimeout(() => GARBAGE[0]?.(stream, 0), 300).unref()
  }
  const sidecar = await underGarbage(t, [first, ...GARBAGE.slice(1), nothingMore])
  const load = sidecar.load(6000)
  await sidecar.untilMetric(GARBAGE.length, 'lateen_proxy_control_plane_disconnects_total')
  await sidecar.untilMetric(1, 'lateen_proxy_control_plane_connected')
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.ok((await sidecar.metric('lateen_proxy_config_rejected_total')) >= 1)
  await sidecar.untilSaid('the control plane sent a message that cannot be read')
})

test('a message without end, and messages without end: memory stays bounded, requests are served', async (t) => {
  const flood =
    (piece: () => Buffer): Answer =>
    (stream) => {
      const more = (): void => {
        while (!stream.destroyed && stream.write(piece())) if (stream.writableLength > 0) break
      }
      stream.on('drain', more)
      more()
    }
  const small = message('type.googleapis.com/no.such.Type')
  const first: Answer = (stream) => {
    nothingMore(stream, 0)
    setTimeout(() => flood(() => small)(stream, 0), 200).unref()
  }
  const sidecar = await underGarbage(t, [first])
  const load = sidecar.load(2500)
  const report = await load
  t.diagnostic(`${describe(report)}; ${Math.round((await sidecar.metric('lateen_proxy_memory_bytes')) / 1e6)} MB`)
  await sidecar.assertBooks([report], { 200: ['-'] })
  assert.ok((await sidecar.metric('lateen_proxy_memory_bytes')) < 200e6)
  assert.ok(sidecar.isAlive)
})
