// What one client can cost, over real connections: however it behaves, little is on its way to it and little is remembered for it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, DELTA_ADS_PATH } from '../../envoy/type-urls.ts'
import { allShared } from '../generate/resources.ts'
import { createXdsServer, type XdsServer } from './ads-server.ts'
import { grpcStatus } from './grpc-call.ts'
import { GrpcMessageReader } from './grpc-message.ts'
import { startGrpcServer } from './grpc-server.ts'

const NODE = 'sidecar~10.0.0.1~cart-v1.default~default.svc.cluster.local'
const MEGABYTE = 1_000_000

interface Served {
  readonly xds: XdsServer
  /** How often the resources were asked for. */
  readonly asked: () => number
  /** A cluster of a megabyte in its next version. */
  change(): void
  client(): Promise<Client>
}

interface Client {
  readonly session: ClientHttp2Session
  readonly stream: ClientHttp2Stream
  readonly responses: DeltaDiscoveryResponse[]
  send(request: DeltaDiscoveryRequest): void
  /** Starts reading. */
  read(): void
  until(condition: () => boolean): Promise<void>
  /** What the server had to say up to now has arrived. */
  caughtUp(): Promise<void>
}

async function serve(t: TestContext): Promise<Served> {
  const clock = new FakeClock()
  let version = 1
  let asked = 0
  const xds = createXdsServer({
    resourcesFor() {
      asked++
      return allShared(new Map([[CLUSTER_TYPE, new Map([['big', { version: String(version), bytes: Buffer.alloc(MEGABYTE, version) }]])]]))
    },
    whyNotAdmitted: ({ workload }) => (workload === 'cart-v1' ? undefined : `there is no workload '${workload}'`),
    trust: () => ({ trustDomain: 'cluster.local', bundle: { roots: [], pem: '', hash: '' } }),
    plaintext: true,
    clock,
    log: silentLogger,
  })
  const server = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, tls: undefined, clock, random: seededRandom(1), services: [xds.service] },
  })
  t.after(() => server.close())
  return {
    xds,
    asked: () => asked,
    change() {
      version++
      xds.update()
    },
    client: () => connectClient(t, server.port),
  }
}

async function connectClient(t: TestContext, port: number): Promise<Client> {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  await once(session, 'connect')
  const stream = session.request({ ':method': 'POST', ':path': DELTA_ADS_PATH, 'content-type': 'application/grpc', te: 'trailers' })
  stream.on('error', () => undefined)
  const responses: DeltaDiscoveryResponse[] = []
  let waiting: (() => void)[] = []
  const wake = (): void => {
    const now = waiting
    waiting = []
    for (const each of now) each()
  }
  const reader = new GrpcMessageReader(100 * MEGABYTE)
  return {
    ...{ session, stream, responses },
    send(request) {
      const message = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request)
      const head = Buffer.alloc(5)
      head.writeUInt32BE(message.length, 1)
      stream.write(Buffer.concat([head, message]))
    },
    read() {
      stream.on('data', (chunk: Buffer) => {
        reader.read(chunk, (bytes) => {
          const read = fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes, { keepAny: true })
          assert.ok(read.ok)
          responses.push(read.value)
        })
        wake()
      })
    },
    async until(condition) {
      while (!condition()) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    async caughtUp() {
      for (let round = 0; round < 2; round++) await new Promise<void>((resolve) => session.ping(() => resolve()))
    },
  }
}

test('for a client that never reads one message is on its way, whatever changes, and then the newest', async (t) => {
  const { xds, asked, change, client: connectOne } = await serve(t)
  const client = await connectOne()
  client.send({ node: { id: NODE }, typeUrl: CLUSTER_TYPE })
  await once(client.stream, 'response')
  for (let changes = 0; changes < 100; changes++) {
    change()
    await client.caughtUp()
  }
  assert.equal(asked(), 1, 'nothing is made for who cannot take it')
  assert.ok(xds.metrics.pushedBytes < 1.1 * MEGABYTE, `${xds.metrics.pushedBytes} bytes for 100 changes`)

  client.read()
  await client.until(() => client.responses.length === 1)
  client.send({ typeUrl: CLUSTER_TYPE, responseNonce: client.responses[0]?.nonce })
  await client.until(() => client.responses.length === 2)
  assert.deepEqual(
    client.responses.map(({ resources }) => resources?.[0]?.version),
    ['1', '101'],
  )
})

test('a client that reads and never answers is sent one message', async (t) => {
  const { xds, change, client: connectOne } = await serve(t)
  const client = await connectOne()
  client.read()
  client.send({ node: { id: NODE }, typeUrl: CLUSTER_TYPE })
  await client.until(() => client.responses.length === 1)
  for (let changes = 0; changes < 100; changes++) {
    change()
    await client.caughtUp()
  }
  assert.equal(client.responses.length, 1)
  assert.equal(xds.metrics.pushes, 1)
  assert.equal(xds.statuses()[0]?.types.CDS?.state, 'SENT')
})

test('a client that asks for names without end is cut off, and forgotten', async (t) => {
  const { xds, client: connectOne } = await serve(t)
  const client = await connectOne()
  client.read()
  const trailers = once(client.stream, 'trailers')
  const names = (from: number): string[] => Array.from({ length: 60_000 }, (_, index) => `n${from + index}`)
  client.send({ node: { id: NODE }, typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: names(0) })
  client.send({ typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: names(60_000) })
  const [headers] = await trailers
  assert.equal(headers['grpc-status'], String(grpcStatus.RESOURCE_EXHAUSTED))
  assert.match(decodeURIComponent(headers['grpc-message']), /more than 100000/)
  assert.deepEqual(xds.nodes(), [])
})

test('a node that may not be served is refused with the reason, before anything is made for it', async (t) => {
  const { xds, asked, client: connectOne } = await serve(t)
  const client = await connectOne()
  client.read()
  const trailers = once(client.stream, 'trailers')
  client.send({ node: { id: NODE.replace('cart-v1', 'till-v1') }, typeUrl: CLUSTER_TYPE })
  const [headers] = await trailers
  assert.equal(headers['grpc-status'], String(grpcStatus.PERMISSION_DENIED))
  assert.match(decodeURIComponent(headers['grpc-message']), /no workload 'till-v1'/)
  assert.deepEqual([asked(), xds.metrics.refusedStreams], [0, 1])
})

test('a refusal stays visible until what was refused is replaced', async (t) => {
  const { xds, change, client: connectOne } = await serve(t)
  const client = await connectOne()
  client.read()
  const state = (): string | undefined => xds.statuses()[0]?.types.CDS?.state
  client.send({ node: { id: NODE }, typeUrl: CLUSTER_TYPE })
  await client.until(() => client.responses.length === 1)
  client.send({ typeUrl: CLUSTER_TYPE, responseNonce: client.responses[0]?.nonce, errorDetail: { code: 13, message: 'no such thing' } })
  await client.caughtUp()
  assert.equal(state(), 'REJECTED')
  assert.equal(xds.statuses()[0]?.types.CDS?.rejection?.message, 'no such thing')

  change()
  await client.until(() => client.responses.length === 2)
  assert.equal(state(), 'REJECTED', 'until it is taken')
  client.send({ typeUrl: CLUSTER_TYPE, responseNonce: client.responses[1]?.nonce })
  await client.caughtUp()
  assert.equal(state(), 'SYNCED')
})
