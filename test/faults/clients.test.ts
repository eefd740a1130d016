// Clients that are slow on purpose, say too much, speak nonsense, or do not read, beside a load that does not notice: docs/faults.md
// 13, 14, 16, 17. Many of each kind at once; all of them are gone in the end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { END_HEADERS, END_STREAM, FRAME, frame, goawayCode, PREFACE, requestBlock } from '../harness/http2-frames.ts'
import { startOctets } from './backends.ts'
import { type Drill, startDrill } from './drill.ts'
import { HTTP1, HTTP2, type Wire } from './wires.ts'

const COUNT = 50
const HEAD_TIMEOUT_MS = 2000
/** Of streams on the route that nobody but the stalled clients takes: what is under load has a minute. */
const IDLE_MS = 3000

/** Says what it says, and resolves to what it heard when its connection ends. */
async function speak(t: TestContext, { sidecar }: Drill, say: (socket: net.Socket) => void): Promise<Buffer> {
  const socket = net.connect({ host: sidecar.host, port: sidecar.port })
  const heard: Buffer[] = []
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => heard.push(chunk))
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  say(socket)
  await once(socket, 'close')
  return Buffer.concat(heard)
}

/** One octet after the other, until the connection ends. */
function dribble(socket: net.Socket, octets: Buffer, everyMs = 200): void {
  let at = 0
  const timer = setInterval(() => {
    if (at < octets.length && socket.writable) socket.write(octets.subarray(at, ++at))
  }, everyMs)
  socket.once('close', () => clearInterval(timer))
}

interface Row {
  readonly name: string
  readonly title: string
  readonly wire: Wire
  readonly say: (socket: net.Socket) => void
  /** Of what each of them heard. */
  readonly heard: (octets: Buffer) => void
  readonly status: number
  readonly flags: string
  /** Of `COUNT` clients. */
  readonly metric: readonly [name: string, ...labels: string[]]
  /** What the access log says of it, beside the flag. */
  readonly reason?: RegExp
}

const MEGABYTE = 1024 * 1024
const status = (wanted: number) => (octets: Buffer) => assert.match(octets.toString('latin1'), new RegExp(`^HTTP/1\\.1 ${wanted} `))
const goaway = (code: number) => (octets: Buffer) => assert.equal(goawayCode(octets), code)
const [PROTOCOL_ERROR, CALM] = [1, 11]
const inAll = (code: number, flags: string) => ['istio_requests_total', `response_code="${code}"`, `response_flags="${flags}"`] as const
const inHttp2 = (error: string) => ['lateen_proxy_http2_connection_errors_total', `error="${error}"`] as const

const ROWS: readonly Row[] = [
  {
    name: 'slow',
    title: 'send their head octet by octet: 408 after the time for a head',
    wire: HTTP1,
    say: (socket) => dribble(socket, Buffer.from(`GET /slow HTTP/1.1\r\nhost: echo\r\nx-filler: ${'x'.repeat(1000)}\r\n\r\n`)),
    heard: status(408),
    status: 408,
    flags: 'DT',
    metric: inAll(408, 'DT'),
  },
  {
    name: 'stalled',
    title: 'stop in the middle of their body: 408 after the idle time of their route',
    wire: HTTP1,
    say: (socket) => void socket.write('POST /sick HTTP/1.1\r\nhost: echo\r\ncontent-length: 100\r\n\r\nonly this'),
    heard: status(408),
    status: 408,
    flags: 'SI',
    metric: inAll(408, 'SI'),
  },
  {
    name: 'large',
    title: 'send a megabyte of headers: 431, and it is not read to its end',
    wire: HTTP1,
    say: (socket) => void socket.write(`GET /large HTTP/1.1\r\nhost: echo\r\nx-filler: ${'x'.repeat(MEGABYTE)}\r\n\r\n`),
    heard: status(431),
    status: 431,
    flags: 'DPE',
    metric: inAll(431, 'DPE'),
  },
  {
    name: 'garbage',
    title: 'send what is no HTTP: 400',
    wire: HTTP1,
    say: (socket) => void socket.write(`G\0T / HTTP/1.1\r\nhost: \xff\xff\r\n\r\n`),
    heard: status(400),
    status: 400,
    flags: 'DPE',
    metric: inAll(400, 'DPE'),
  },
  {
    name: 'endless',
    title: 'begin a head and never end it (no END_HEADERS): GOAWAY after the time for a head',
    wire: HTTP2,
    say: (socket) => void socket.write(Buffer.concat([PREFACE, frame(FRAME.headers, 0, 1, requestBlock('/slow'))])),
    heard: goaway(CALM),
    status: 0,
    flags: 'DPE',
    metric: inHttp2('enhance_your_calm'),
    reason: /a request head did not arrive in time/,
  },
  {
    name: 'slow',
    title: 'send a HEADERS frame octet by octet: GOAWAY after the time for a head',
    wire: HTTP2,
    say: (socket) => {
      socket.write(PREFACE)
      dribble(socket, frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([requestBlock('/slow'), Buffer.alloc(1000, 0x20)])))
    },
    heard: goaway(CALM),
    status: 0,
    flags: 'DPE',
    metric: inHttp2('enhance_your_calm'),
    reason: /a request head did not arrive in time/,
  },
  {
    name: 'flood',
    title: 'send a megabyte of CONTINUATION: GOAWAY, and it is not read to its end',
    wire: HTTP2,
    say: (socket) => {
      const piece = frame(FRAME.continuation, 0, 1, Buffer.alloc(16 * 1024, 0x20))
      socket.write(Buffer.concat([PREFACE, frame(FRAME.headers, 0, 1, requestBlock('/flood')), ...Array.from({ length: 64 }, () => piece)]))
    },
    heard: goaway(CALM),
    status: 0,
    flags: 'DPE',
    metric: inHttp2('enhance_your_calm'),
    reason: /a header block is too long or in too many pieces/,
  },
  {
    name: 'garbage',
    title: 'send frames that break the protocol: GOAWAY',
    wire: HTTP2,
    say: (socket) => void socket.write(Buffer.concat([PREFACE, frame(FRAME.data, END_STREAM, 1001, Buffer.alloc(100, 0xff))])),
    heard: goaway(PROTOCOL_ERROR),
    status: 0,
    flags: 'DPE',
    metric: inHttp2('protocol_error'),
  },
]

async function misbehave(t: TestContext, drill: Drill, row: Row): Promise<void> {
  const { load, sidecar } = drill
  const [name, ...labels] = row.metric
  const isOf = (line: { path: string; status: number; flags: string; reason: string }): boolean =>
    line.flags === row.flags && (row.wire === HTTP1 ? line.status === row.status : row.reason?.test(line.reason) !== false)
  const [countedBefore, loggedBefore] = [await sidecar.metric(name, ...labels), sidecar.requests().filter(isOf).length]
  const phase = `${row.name}-fault`
  await load.phase(phase)
  const heard = await Promise.all(Array.from({ length: COUNT }, () => speak(t, drill, row.say)))
  for (const octets of heard) row.heard(octets)
  await drill.allIsWell(phase)
  assert.equal((await sidecar.untilLogged(loggedBefore + COUNT, isOf)).length, loggedBefore + COUNT)
  assert.equal((await sidecar.metric(name, ...labels)) - countedBefore, COUNT, `${name}{${labels}}`)
  await load.phase(`${row.name}-after`)
  await drill.allIsWell(`${row.name}-after`)
}

const BODY = 8 * MEGABYTE

/** Asks for eight megabytes and takes none of it; what is kept for it is bounded by windows and socket buffers. */
const STARVES: Readonly<Record<Wire['protocol'], (socket: net.Socket) => void>> = {
  http1: (socket) => {
    socket.pause()
    socket.write('GET /big HTTP/1.1\r\nhost: echo\r\n\r\n')
  },
  http2: (socket) => {
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing (RFC 9113 6.5.2).
    const settings = frame(FRAME.settings, 0, 0, Buffer.from('000400000000', 'hex'))
    const [preface] = [PREFACE.subarray(0, 24)]
    socket.write(Buffer.concat([preface, settings, frame(FRAME.headers, END_HEADERS | END_STREAM, 1, requestBlock('/big'))]))
  },
}

async function starve(t: TestContext, wire: Wire): Promise<void> {
  const big = await startOctets(t, (socket) => {
    socket.once('data', () =>
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY}\r\n\r\n`), Buffer.alloc(BODY)])),
    )
  })
  const drill = await startDrill(t, {
    wire,
    clusters: [{ name: 'big', host: big.host, port: big.port }],
    routes: [{ to: 'big', action: { idle_timeout: `${HEAD_TIMEOUT_MS / 1000}s` } }],
  })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  await load.phase('fault')
  const usual = await sidecar.metric('lateen_proxy_memory_bytes')
  for (let i = 0; i < COUNT; i++) {
    const socket = net.connect({ host: sidecar.host, port: sidecar.port })
    socket.on('error', () => undefined)
    socket.on('connect', () => STARVES[wire.protocol](socket))
    t.after(() => socket.destroy())
  }
  const lines = await sidecar.untilLogged(COUNT, ({ path, flags }) => path === '/big' && flags === 'SI')
  assert.equal(lines.length, COUNT)
  assert.equal(await sidecar.metric('istio_requests_total', 'response_flags="SI"'), COUNT)
  const grown = (await sidecar.metric('lateen_proxy_memory_bytes')) - usual
  assert.ok(grown < (COUNT * BODY) / 2, `${grown} octets for readers of nothing`)
  await drill.allIsWell('fault')
  await load.phase('after')
  await drill.allIsWell('after')
  await drill.finish()
}

for (const wire of [HTTP1, HTTP2]) {
  test(`${wire.name}, beside 500 requests a second: clients that`, async (t) => {
    const timeouts = { request_headers_timeout: `${HEAD_TIMEOUT_MS / 1000}s`, stream_idle_timeout: '60s' }
    const sick = { inLoad: false, route: { idle_timeout: `${IDLE_MS / 1000}s` } }
    const drill = await startDrill(t, { wire, sick, sidecar: { manager: timeouts } })
    await drill.allIsWell('before')
    for (const row of ROWS.filter((each) => each.wire === wire)) await t.test(row.title, (inner) => misbehave(inner, drill, row))
    await t.test('have cost nobody a request, and are gone', async () => {
      await drill.finish()
    })
  })
  test(`${wire.name}: clients that do not read: their streams end after the idle time of the route, and memory stays bounded`, (t) =>
    starve(t, wire))
}
