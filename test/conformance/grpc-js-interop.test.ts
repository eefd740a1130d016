// gRPC's interoperability cases (grpc/doc/interop-test-descriptions.md) with grpc-js as client and server, through one and two sidecars.
// Left out: credentials, ORCA, compression per message (grpc-js has no interface for it). A case that hangs fails by the time limit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, Metadata, status } from '@grpc/grpc-js'
import { emptyCall, fullDuplexCall, interopClient, streamingInputCall, streamingOutputCall, unaryCall } from './grpc-js-client.ts'
import { INITIAL, startTestService, type TestService, TRAILING, UNENDING } from './grpc-js-server.ts'
import { oneSidecar, twoSidecars } from './sidecars.ts'

const REQUEST_OCTETS = [27182, 8, 1828, 45904]
const RESPONSE_OCTETS = [31415, 9, 2653, 58979]
const RESPONSES = RESPONSE_OCTETS.map((payloadOctets) => ({ payloadOctets }))
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n'

type Case = (client: Client, service: TestService) => Promise<void>

const CASES: Readonly<Record<string, Case>> = {
  'empty_unary: a message of no octets is answered with one of no octets': async (client) => {
    assert.equal((await emptyCall(client))?.length, 0)
  },

  'large_unary: 271828 octets are answered with 314159': async (client) => {
    const { code, messages } = await unaryCall(client, { payloadOctets: 271828, responseOctets: [314159] })
    assert.deepEqual([code, messages], [status.OK, [{ payloadOctets: 314159 }]])
  },

  'client_streaming: the server gets all four messages': async (client) => {
    const call = streamingInputCall(client)
    for (const payloadOctets of REQUEST_OCTETS) call.send({ payloadOctets })
    call.halfClose()
    const { code, messages } = await call.result
    assert.deepEqual([code, messages], [status.OK, [{ aggregatedOctets: 74922 }]])
  },

  'server_streaming: the client gets all four messages in order': async (client) => {
    const { code, messages } = await streamingOutputCall(client, { responseOctets: RESPONSE_OCTETS })
    assert.deepEqual([code, messages], [status.OK, RESPONSES])
  },

  'ping_pong: each message is sent when the one before is answered': async (client) => {
    const call = fullDuplexCall(client)
    for (const [n, payloadOctets] of REQUEST_OCTETS.entries()) {
      const answered = call.received()
      call.send({ payloadOctets, responseOctets: RESPONSE_OCTETS.slice(n, n + 1) })
      assert.deepEqual(await answered, RESPONSES[n])
    }
    call.halfClose()
    const { code, messages } = await call.result
    assert.deepEqual([code, messages], [status.OK, RESPONSES])
  },

  'empty_stream: a stream without messages ends well': async (client) => {
    const call = fullDuplexCall(client)
    call.halfClose()
    const { code, messages } = await call.result
    assert.deepEqual([code, messages], [status.OK, []])
  },

  // The first deadline is the one of the description. It may pass before anything is sent: the second passes while the server sleeps.
  'timeout_on_sleeping_server: the deadline is told as DEADLINE_EXCEEDED': async (client) => {
    for (const deadlineMs of [1, 150]) {
      const call = fullDuplexCall(client, { deadlineMs })
      call.send({ payloadOctets: 27182 })
      assert.equal((await call.result).code, status.DEADLINE_EXCEEDED)
    }
  },

  'cancel_after_begin: the server learns of it, the client gets CANCELLED': async (client, service) => {
    const begun = service.nextCall()
    const call = streamingInputCall(client, { metadata: unending() })
    const serverSide = await begun
    call.cancel()
    assert.equal((await call.result).code, status.CANCELLED)
    await serverSide.cancelled
  },

  'cancel_after_first_response: the server learns of it, the client gets CANCELLED': async (client, service) => {
    const begun = service.nextCall()
    const call = fullDuplexCall(client, { metadata: unending() })
    const answered = call.received()
    call.send({ payloadOctets: 27182, responseOctets: [31415] })
    await answered
    call.cancel()
    const { code, messages } = await call.result
    assert.deepEqual([code, messages], [status.CANCELLED, [{ payloadOctets: 31415 }]])
    const serverSide = await begun
    await serverSide.cancelled
  },

  'status_code_and_message: both arrive, from a unary call and from a stream': async (client) => {
    const request = { responseStatus: { code: status.UNKNOWN, message: 'test status message' } }
    const single = await unaryCall(client, request)
    assert.deepEqual([single.code, single.details], [2, 'test status message'])
    const call = fullDuplexCall(client)
    call.send(request)
    call.halfClose()
    const streamed = await call.result
    assert.deepEqual([streamed.code, streamed.details], [2, 'test status message'])
  },

  'special_status_message: whitespace and Unicode arrive as they are': async (client) => {
    const { code, details } = await unaryCall(client, { responseStatus: { code: status.UNKNOWN, message: SPECIAL } })
    assert.deepEqual([code, details], [2, SPECIAL])
  },

  'custom_metadata: headers and binary trailers come back, from a unary call and from a stream': async (client) => {
    const trailing = Buffer.from([0xab, 0xab, 0xab])
    const metadata = new Metadata()
    metadata.set(INITIAL, 'test_initial_metadata_value')
    metadata.set(TRAILING, trailing)
    const request = { payloadOctets: 271828, responseOctets: [314159] }
    const call = fullDuplexCall(client, { metadata })
    call.send(request)
    call.halfClose()
    for (const result of [await unaryCall(client, request, { metadata }), await call.result]) {
      assert.deepEqual([result.code, result.messages], [status.OK, [{ payloadOctets: 314159 }]])
      assert.deepEqual(result.initial.get(INITIAL), ['test_initial_metadata_value'])
      assert.deepEqual(result.trailing.get(TRAILING), [trailing])
    }
  },

  'unimplemented_method: UNIMPLEMENTED of the server arrives': async (client) => {
    const { code } = await unaryCall(client, {}, { path: '/grpc.testing.TestService/UnimplementedCall' })
    assert.equal(code, status.UNIMPLEMENTED)
  },

  'unimplemented_service: UNIMPLEMENTED of the server arrives': async (client) => {
    const { code } = await unaryCall(client, {}, { path: '/grpc.testing.UnimplementedService/UnimplementedCall' })
    assert.equal(code, status.UNIMPLEMENTED)
  },

  'many concurrent unary: 200 calls at once each get their own answer': async (client) => {
    const sizes = Array.from({ length: 200 }, (_, n) => 1000 + n * 37)
    const results = await Promise.all(sizes.map((size) => unaryCall(client, { payloadOctets: size, responseOctets: [size + 1] })))
    assert.ok(results.every(({ code }) => code === status.OK))
    assert.deepEqual(
      results.map(({ messages }) => messages),
      sizes.map((size) => [{ payloadOctets: size + 1 }]),
    )
  },
}

function unending(): Metadata {
  const metadata = new Metadata()
  metadata.set(UNENDING, 'yes')
  return metadata
}

const SIDECARS = { 'one sidecar': oneSidecar, 'two sidecars, mutual TLS between them': twoSidecars }

for (const [path, start] of Object.entries(SIDECARS)) {
  test(`grpc-js client and server through ${path}`, { timeout: 60_000 }, async (t) => {
    const service = await startTestService(t)
    const client = interopClient(t, await start(t, service.port))
    for (const [name, run] of Object.entries(CASES)) await t.test(name, { timeout: 20_000 }, () => run(client, service))
  })
}
