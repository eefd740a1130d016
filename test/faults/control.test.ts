// A control plane that sends garbage, under load: docs/faults.md 12. What was in force before stays in force, and memory stays bounded.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../src/envoy/type-urls.ts'
import { frameMessage } from '../../src/proxy/grpc/framing.ts'
import { waitFor } from '../harness/wait.ts'
import { type Drill, startDrill } from './drill.ts'
import { clusterOf, HTTP2 } from './wires.ts'

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

const controlPlane = (port: number) => ({ name: 'xds', host: '127.0.0.1', port, overrides: clusterOf(HTTP2, undefined) })

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

async function underGarbage(t: TestContext, answers: readonly Answer[]): Promise<Drill> {
  const control = await startGarbage(t, answers)
  return await startDrill(t, { clusters: [controlPlane(control.port)], sidecar: { root: ads } })
}

test('bytes that are no messages, messages that are no configuration: refused, counted, and the old one stays in force', async (t) => {
  let begin: () => void = () => undefined
  // What is in force first; the garbage begins when requests are answered.
  const first: Answer = (stream) => {
    nothingMore(stream, 0)
    begin = () => GARBAGE[0]?.(stream, 0)
  }
  const drill = await underGarbage(t, [first, ...GARBAGE.slice(1), nothingMore])
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  assert.equal(await sidecar.metric('lateen_proxy_control_plane_disconnects_total'), 0)
  await load.phase('fault')
  begin()
  // Each of them costs the stream; the one that is a message, and no configuration, is refused.
  await sidecar.untilMetric((value) => value >= GARBAGE.length, 'lateen_proxy_control_plane_disconnects_total')
  assert.ok((await sidecar.metric('lateen_proxy_config_rejected_total')) >= 1)
  await sidecar.untilSaid('the control plane sent a message that cannot be read')
  await drill.allIsWell('fault')
  await sidecar.untilMetric((value) => value === 1, 'lateen_proxy_control_plane_connected')
  await load.phase('after')
  await drill.allIsWell('after')
  await drill.finish()
})

test('messages without end: memory stays bounded, requests are served', async (t) => {
  let sent = 0
  let begin: () => void = () => undefined
  const small = message('type.googleapis.com/no.such.Type')
  const flood = (stream: ServerHttp2Stream): void => {
    const more = (): void => {
      while (!stream.destroyed && stream.write(small)) if (++sent % 100 === 0) break
      if (!stream.destroyed && !stream.writableNeedDrain) setImmediate(more)
    }
    stream.on('drain', more)
    more()
  }
  const first: Answer = (stream) => {
    nothingMore(stream, 0)
    begin = () => flood(stream)
  }
  // Who comes again gets what was there, and no more of it.
  const drill = await underGarbage(t, [first, nothingMore])
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  const usual = await sidecar.metric('lateen_proxy_memory_bytes')
  await load.phase('fault')
  begin()
  await waitFor(() => sent >= 5000, { what: 'five thousand messages', timeoutMs: 45_000 })
  await drill.allIsWell('fault')
  const grown = (await sidecar.metric('lateen_proxy_memory_bytes')) - usual
  t.diagnostic(`${sent} messages; ${Math.round(grown / 1e6)} MB more`)
  assert.ok(grown < 100e6, `${grown} bytes more`)
  await drill.finish()
})
