// Our gRPC client against @grpc/grpc-js over TLS and plaintext.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Metadata, Server, ServerCredentials, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { systemClock } from '../../base/clock.ts'
import { type ChannelOptions, GrpcChannel } from './channel.ts'
import { GrpcCode, type GrpcStatus } from './status.ts'

const method = (path: string, streams: boolean) => ({
  path,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
})

async function startServer(t: TestContext, credentials = ServerCredentials.createInsecure()): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': 1 << 25 })
  server.addService(
    { unary: method('/test/Unary', false), bidi: method('/test/Bidi', true), silent: method('/test/Silent', false) },
    {
      unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        const wanted = String(call.metadata.get('x-fail')[0] ?? '')
        if (wanted !== '') return answer({ code: Number(wanted), details: 'schließlich: 100 % falsch\nEnde' })
        answer(null, Buffer.concat([Buffer.from(`${call.metadata.get('authorization')[0] ?? ''}|`), call.request]))
      },
      silent: () => undefined,
      bidi: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (bytes: Buffer) => call.write(bytes))
        call.on('end', () => call.end(new Metadata()))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  t.after(() => server.forceShutdown())
  return port
}

function channelTo(t: TestContext, port: number, options: Partial<ChannelOptions> = {}): GrpcChannel {
  const channel = new GrpcChannel({
    host: '127.0.0.1',
    port,
    clock: systemClock,
    credentials: () => undefined,
    connectTimeoutMs: 5000,
    maxMessageBytes: 1 << 24,
    ...options,
  })
  t.after(() => channel.close())
  return channel
}

const call = (path: string, metadata: readonly string[] = [], deadlineMs?: number) => ({ path, metadata, deadlineMs })

test('a unary call carries metadata and bytes both ways', async (t) => {
  const channel = channelTo(t, await startServer(t))
  const result = await channel.unary(call('/test/Unary', ['authorization', 'Bearer x']), Buffer.from('hello'))
  assert.equal(result.ok && result.message.toString(), 'Bearer x|hello')
})

test('a message of ten megabytes passes', async (t) => {
  const channel = channelTo(t, await startServer(t))
  const result = await channel.unary(call('/test/Unary'), Buffer.alloc(10_000_000, 'z'))
  assert.equal(result.ok && result.message.length, 10_000_001)
})

test('an error status arrives with its message decoded', async (t) => {
  const channel = channelTo(t, await startServer(t))
  const result = await channel.unary(call('/test/Unary', ['x-fail', '7']), Buffer.alloc(0))
  assert.deepEqual(!result.ok && result.status, { code: GrpcCode.PERMISSION_DENIED, message: 'schließlich: 100 % falsch\nEnde' })
})

test('an unknown method is UNIMPLEMENTED', async (t) => {
  const result = await channelTo(t, await startServer(t)).unary(call('/test/None'), Buffer.alloc(0))
  assert.equal(!result.ok && result.status.code, GrpcCode.UNIMPLEMENTED)
})

test('a deadline ends a call that nobody answers', async (t) => {
  const result = await channelTo(t, await startServer(t)).unary(call('/test/Silent', [], 50), Buffer.alloc(0))
  assert.equal(!result.ok && result.status.code, GrpcCode.DEADLINE_EXCEEDED)
})

test('a message above the limit is refused', async (t) => {
  const channel = channelTo(t, await startServer(t), { maxMessageBytes: 100 })
  const result = await channel.unary(call('/test/Unary'), Buffer.alloc(1000))
  assert.equal(!result.ok && result.status.code, GrpcCode.RESOURCE_EXHAUSTED)
})

test('nobody listening is UNAVAILABLE and says where', async (t) => {
  const result = await channelTo(t, 1).unary(call('/test/Unary'), Buffer.alloc(0))
  assert.equal(!result.ok && result.status.code, GrpcCode.UNAVAILABLE)
  assert.match(result.ok ? '' : result.status.message, /127\.0\.0\.1:1.*ECONNREFUSED/)
})

test('a bidirectional stream echoes a thousand messages in order and ends OK', async (t) => {
  const channel = channelTo(t, await startServer(t))
  const seen: string[] = []
  const { promise, resolve } = Promise.withResolvers<GrpcStatus>()
  const stream = await channel.start(call('/test/Bidi'), { message: (bytes) => void seen.push(bytes.toString()), ended: resolve })
  for (let index = 0; index < 1000; index++) stream?.send(Buffer.from(`message ${index}`))
  stream?.closeSending()
  assert.deepEqual(await promise, { code: GrpcCode.OK, message: 'OK' })
  assert.deepEqual(
    seen,
    Array.from({ length: 1000 }, (_, index) => `message ${index}`),
  )
})
