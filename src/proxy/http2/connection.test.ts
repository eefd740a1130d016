import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { exchange, framesOf, OPTIONS, Recorder, rawFrame } from './codec-pair.fixture.ts'
import { Http2Connection } from './connection.ts'
import { errorName } from './error-codes.ts'
import { CLIENT_PREFACE } from './frames.ts'

const REQUEST = [':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'a']

function pair(options: Partial<typeof OPTIONS> = {}) {
  const client = new Recorder()
  const server = new Recorder()
  return {
    client,
    server,
    a: new Http2Connection({ ...OPTIONS, ...options, role: 'client' }, client),
    b: new Http2Connection({ ...OPTIONS, ...options, role: 'server' }, server),
  }
}

/** A client with request 1 open whose peer is raw bytes; returns the code that a violation is answered with, and its scope. */
function answerTo(...frames: Buffer[]): string {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.receive(rawFrame(4, 0, 0))
  connection.open(REQUEST, false)
  connection.takeOutput()
  for (const frame of frames) connection.receive(frame)
  const answer = framesOf(connection.takeOutput()).find(({ type }) => type === 3 || type === 7)
  if (answer === undefined) return 'nothing'
  return answer.type === 7
    ? `connection ${errorName(answer.payload.readUInt32BE(4))}`
    : `stream ${errorName(answer.payload.readUInt32BE(0))}`
}

const HEAD = rawFrame(1, 4, 1, '88') // :status 200
const HEAD_END = rawFrame(1, 5, 1, '88')

test('a request and its response pass, whatever the pieces in which bytes arrive', () => {
  for (const size of [1, 7, 1000]) {
    const { a, b, client, server } = pair()
    server.onHead = (id) => {
      b.respond(id, [':status', '200', 'x-a', 'b'], false)
      b.data(id, Buffer.from('hello'), false)
      b.trailers(id, ['grpc-status', '0'])
    }
    const id = a.open(REQUEST, true) ?? 0
    exchange(a, b, size)
    assert.deepEqual(client.seen, ['settings', 'head 1 :status 200 x-a b', 'trailers 1 grpc-status 0 end'])
    assert.equal(client.body(id).toString(), 'hello')
    assert.equal(a.activeStreams + b.activeStreams, 0)
  }
})

test('a body larger than every window arrives whole, and no more than a window is ever in flight', () => {
  const { a, b, server } = pair()
  let unconsumed = 0
  server.onBytes = (id, bytes) => {
    unconsumed += bytes.length
    assert.ok(unconsumed <= OPTIONS.streamWindow)
    b.consumed(id, bytes.length)
    unconsumed -= bytes.length
  }
  const body = Buffer.alloc(1_000_000, 'abcdefg')
  const id = a.open(REQUEST, false) ?? 0
  assert.equal(a.data(id, body, true), false)
  exchange(a, b)
  assert.ok(server.body(id).equals(body))
})

test('a receiver that consumes nothing stops the sender at its window', () => {
  const { a, b, server, client } = pair()
  const id = a.open(REQUEST, false) ?? 0
  a.data(id, Buffer.alloc(200_000), true)
  exchange(a, b)
  assert.equal(server.body(id).length, 65_535)
  b.consumed(id, 65_535)
  exchange(a, b)
  assert.equal(server.body(id).length, 131_070)
  assert.equal(client.seen.includes(`drained ${id}`), false)
})

test('two streams share the connection window', () => {
  const { a, b, server } = pair({ streamWindow: 65_535 })
  const [one, two] = [a.open(REQUEST, false) ?? 0, a.open(REQUEST, false) ?? 0]
  a.data(one, Buffer.alloc(60_000), true)
  a.data(two, Buffer.alloc(60_000), true)
  exchange(a, b)
  assert.equal(server.body(one).length + server.body(two).length, 65_535)
})

test('header blocks above a frame go in CONTINUATION and come back whole', () => {
  const { a, b, server } = pair({ maxHeaderListSize: 100_000 })
  a.open([...REQUEST, 'x-large', '~'.repeat(40_000)], true)
  exchange(a, b)
  assert.equal(server.seen.at(-1)?.length, 'head 1 '.length + REQUEST.join(' ').length + ' x-large '.length + 40_000 + ' end'.length)
})

test('more streams than the peer allows are not opened', () => {
  const { a, b } = pair({ maxConcurrentStreams: 2 })
  exchange(a, b)
  assert.deepEqual([a.open(REQUEST, false), a.open(REQUEST, false), a.open(REQUEST, false)], [1, 3, undefined])
})

test('GOAWAY refuses the streams above its number and lets the others finish', () => {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.open(REQUEST, false)
  connection.open(REQUEST, false)
  connection.receive(Buffer.concat([rawFrame(4, 0, 0), rawFrame(7, 0, 0, '0000000100000000'), HEAD_END]))
  assert.deepEqual(events.seen, ['settings', 'reset 3 REFUSED_STREAM', 'goaway 1 NO_ERROR', 'head 1 :status 200 end'])
  assert.equal(connection.open(REQUEST, false), undefined)
})

test('interim responses come before the final one', () => {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.open(REQUEST, true)
  connection.receive(Buffer.concat([rawFrame(4, 0, 0), rawFrame(1, 4, 1, '0803313030'), HEAD_END]))
  assert.deepEqual(events.seen.slice(1), ['interim 1 :status 100', 'head 1 :status 200 end'])
})

test('a padded frame gives its content, and the padding its window back', () => {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.open(REQUEST, true)
  connection.receive(Buffer.concat([rawFrame(4, 0, 0), HEAD, rawFrame(0, 8 | 1, 1, '0261620000')]))
  assert.equal(events.body(1).toString(), 'ab')
})

const violations: readonly [string, string, ...Buffer[]][] = [
  ['connection PROTOCOL_ERROR', 'DATA on stream 0', rawFrame(0, 0, 0)],
  ['connection PROTOCOL_ERROR', 'DATA on an idle stream', rawFrame(0, 0, 5)],
  ['connection PROTOCOL_ERROR', 'DATA with too much padding', HEAD, rawFrame(0, 8, 1, '05aa')],
  ['stream PROTOCOL_ERROR', 'DATA before the head', rawFrame(0, 0, 1, 'aa')],
  ['stream STREAM_CLOSED', 'DATA after END_STREAM', HEAD_END, rawFrame(0, 0, 1, 'aa')],
  ['connection PROTOCOL_ERROR', 'HEADERS on stream 0', rawFrame(1, 4, 0, '88')],
  ['connection PROTOCOL_ERROR', 'HEADERS on an idle stream', rawFrame(1, 4, 3, '88')],
  ['connection PROTOCOL_ERROR', 'HEADERS with too much padding', rawFrame(1, 12, 1, '05')],
  ['stream STREAM_CLOSED', 'HEADERS after END_STREAM', HEAD_END, HEAD_END],
  ['connection COMPRESSION_ERROR', 'a broken block', rawFrame(1, 4, 1, '80')],
  ['stream PROTOCOL_ERROR', 'no :status', rawFrame(1, 4, 1, '4001780179')],
  ['stream PROTOCOL_ERROR', 'an upper-case name', rawFrame(1, 4, 1, '884001580179')],
  ['stream PROTOCOL_ERROR', 'transfer-encoding', rawFrame(1, 4, 1, '880f2a076368756e6b6564')],
  ['stream PROTOCOL_ERROR', 'a line feed in a value', rawFrame(1, 4, 1, '88400178010a')],
  ['stream PROTOCOL_ERROR', 'less content than content-length', rawFrame(1, 4, 1, '880f0d0133'), rawFrame(0, 1, 1, 'aabb')],
  ['stream PROTOCOL_ERROR', 'trailers without END_STREAM', HEAD, rawFrame(1, 4, 1, '4001780179')],
  ['connection PROTOCOL_ERROR', 'PRIORITY on stream 0', rawFrame(2, 0, 0, '0000000000')],
  ['stream FRAME_SIZE_ERROR', 'PRIORITY of four bytes', rawFrame(2, 0, 1, '00000000')],
  ['nothing', 'PRIORITY on an idle stream', rawFrame(2, 0, 9, '0000000000')],
  ['connection PROTOCOL_ERROR', 'RST_STREAM on stream 0', rawFrame(3, 0, 0, '00000000')],
  ['connection PROTOCOL_ERROR', 'RST_STREAM on an idle stream', rawFrame(3, 0, 7, '00000000')],
  ['connection FRAME_SIZE_ERROR', 'RST_STREAM of three bytes', rawFrame(3, 0, 1, '000000')],
  ['connection PROTOCOL_ERROR', 'SETTINGS on a stream', rawFrame(4, 0, 1)],
  ['connection FRAME_SIZE_ERROR', 'SETTINGS of five bytes', rawFrame(4, 0, 0, '0000000000')],
  ['connection FRAME_SIZE_ERROR', 'an acknowledgement with content', rawFrame(4, 1, 0, '000300000001')],
  ['connection PROTOCOL_ERROR', 'ENABLE_PUSH 2', rawFrame(4, 0, 0, '000200000002')],
  ['connection FLOW_CONTROL_ERROR', 'INITIAL_WINDOW_SIZE 2^31', rawFrame(4, 0, 0, '000480000000')],
  ['connection PROTOCOL_ERROR', 'MAX_FRAME_SIZE 1', rawFrame(4, 0, 0, '000500000001')],
  ['nothing', 'an unknown setting', rawFrame(4, 0, 0, '00aa00000001')],
  ['connection PROTOCOL_ERROR', 'PUSH_PROMISE', rawFrame(5, 4, 1, '0000000288')],
  ['connection PROTOCOL_ERROR', 'PING on a stream', rawFrame(6, 0, 1, '0000000000000000')],
  ['connection FRAME_SIZE_ERROR', 'PING of seven bytes', rawFrame(6, 0, 0, '00000000000000')],
  ['connection PROTOCOL_ERROR', 'GOAWAY on a stream', rawFrame(7, 0, 1, '0000000000000000')],
  ['connection FRAME_SIZE_ERROR', 'GOAWAY of four bytes', rawFrame(7, 0, 0, '00000000')],
  ['connection PROTOCOL_ERROR', 'WINDOW_UPDATE by 0', rawFrame(8, 0, 0, '00000000')],
  ['stream PROTOCOL_ERROR', 'WINDOW_UPDATE by 0 on a stream', rawFrame(8, 0, 1, '00000000')],
  ['connection FLOW_CONTROL_ERROR', 'a connection window overflow', rawFrame(8, 0, 0, '7fffffff')],
  ['stream FLOW_CONTROL_ERROR', 'a stream window overflow', rawFrame(8, 0, 1, '7fffffff')],
  ['connection PROTOCOL_ERROR', 'WINDOW_UPDATE on an idle stream', rawFrame(8, 0, 9, '00000001')],
  ['connection FRAME_SIZE_ERROR', 'WINDOW_UPDATE of three bytes', rawFrame(8, 0, 0, '000001')],
  ['connection PROTOCOL_ERROR', 'CONTINUATION alone', rawFrame(9, 4, 1, '88')],
  ['connection PROTOCOL_ERROR', 'a frame inside a block', rawFrame(1, 0, 1, '88'), rawFrame(6, 0, 0, '0000000000000000')],
  ['connection ENHANCE_YOUR_CALM', 'endless CONTINUATION', rawFrame(1, 0, 1), ...Array.from({ length: 40 }, () => rawFrame(9, 0, 1))],
  ['connection ENHANCE_YOUR_CALM', 'a flood of PING', ...Array.from({ length: 1100 }, () => rawFrame(6, 0, 0, '0000000000000000'))],
  ['connection FRAME_SIZE_ERROR', 'a frame above the limit', Buffer.from('004001000000000001', 'hex')],
  [
    'stream FLOW_CONTROL_ERROR',
    'DATA above the stream window',
    HEAD,
    ...Array.from({ length: 5 }, () => rawFrame(0, 0, 1, Buffer.alloc(16_000))),
  ],
  ['nothing', 'an unknown frame', rawFrame(0xbb, 0, 0, 'aa')],
]

for (const [answer, name, ...frames] of violations) {
  test(`${name}: ${answer}`, () => {
    const wanted = name.startsWith('DATA above') ? /FLOW_CONTROL_ERROR/ : new RegExp(`^${answer}$`)
    assert.match(answerTo(...frames), wanted)
  })
}

test('the first frame must be SETTINGS', () => {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.receive(rawFrame(6, 0, 0, '0000000000000000'))
  assert.deepEqual(events.seen, ['failed PROTOCOL_ERROR'])
})

test('late frames of a stream that was cancelled here are ignored', () => {
  const events = new Recorder()
  const connection = new Http2Connection({ ...OPTIONS, role: 'client' }, events)
  connection.receive(rawFrame(4, 0, 0))
  connection.open(REQUEST, false)
  connection.reset(1, 8)
  connection.receive(Buffer.concat([HEAD, rawFrame(0, 0, 1, 'aabb'), rawFrame(3, 0, 1, '00000000')]))
  assert.deepEqual(events.seen, ['settings'])
  assert.equal(connection.failed, false)
})

test('no noise makes the codec throw, and none keeps it busy for ever', () => {
  const random = seededRandom(2026)
  for (let round = 0; round < 400; round++) {
    const role = round % 2 === 0 ? 'client' : 'server'
    const connection = new Http2Connection({ ...OPTIONS, role }, new Recorder())
    connection.open(REQUEST, false)
    if (role === 'server') connection.receive(CLIENT_PREFACE)
    connection.receive(rawFrame(4, 0, 0))
    for (let frame = 0; frame < 30 && !connection.failed; frame++) connection.receive(noiseFrame(random))
    connection.takeOutput()
  }
})

/** Well-formed enough to get past the frame header most of the time. */
function noiseFrame(random: () => number): Buffer {
  const payload = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)))
  if (random() < 0.05) return payload
  return rawFrame(Math.floor(random() * 11), Math.floor(random() * 256), Math.floor(random() * 4), payload)
}
