// Upstreams that are slow on purpose, say too much, or speak nonsense: docs/faults.md 15-17. Each takes the place of an application
// that was well: the port is the same, and in the end it is the application's again. One row per fault; upstream.test.ts runs them.
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { ACK, CONNECTION_PREFACE, END_HEADERS, END_STREAM, FRAME, frame, framesOf, literal } from '../harness/http2-frames.ts'
import { type Octets, startOctets } from './backends.ts'
import type { Answers, Drill } from './drill.ts'
import type { Wire } from './wires.ts'

const MEGABYTE = 1024 * 1024

/** Octets for a request that came: for HTTP/1.1 at its first octet, for HTTP/2 at each HEADERS. */
type Speaks = (socket: Socket, streamId: number) => void

export interface SickUpstream {
  readonly name: string
  readonly title: string
  readonly protocol: Wire['protocol']
  readonly speaks: Speaks
  /** What clients get; 0: an answer that had begun cannot become another, it is cut. */
  readonly answers: Answers
}

/** One octet after the other, as long as the connection stands. */
function dribble(socket: Socket, text: string): void {
  let at = 0
  const timer = setInterval(() => {
    if (at < text.length && socket.writable) socket.write(text[at++] ?? '')
  }, 100)
  socket.once('close', () => clearInterval(timer))
}

const STATUS_200 = Buffer.from([0x88])
/** Field 28 of the static table. */
const LENGTH_100 = Buffer.concat([Buffer.from([0x0f, 0x0d]), literal('100')])

export const SICK_UPSTREAMS: readonly SickUpstream[] = [
  {
    name: 'dribble',
    title: 'answers octet by octet: 504 after the timeout of the route',
    protocol: 'http1',
    speaks: (socket) => dribble(socket, `HTTP/1.1 200 OK\r\nx-filler: ${'x'.repeat(MEGABYTE)}\r\n\r\n`),
    answers: { 504: ['UT'] },
  },
  {
    name: 'endless',
    title: 'begins a head and never ends it (no END_HEADERS): 504 after the timeout of the route',
    protocol: 'http2',
    // The first of a connection: a second head in the middle of it would be a violation, and is not what this is about.
    speaks: (socket, streamId) => void (streamId === 1 && socket.write(frame(FRAME.headers, 0, streamId, STATUS_200))),
    answers: { 504: ['UT'] },
  },
  {
    name: 'stalled',
    title: 'stops in the middle of its body: cut after the timeout of the route',
    protocol: 'http1',
    speaks: (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this'),
    answers: { 0: ['UT'], 504: ['UT'] },
  },
  {
    name: 'stalled',
    title: 'stops in the middle of its body: the stream is reset after the timeout of the route',
    protocol: 'http2',
    speaks: (socket, streamId) => {
      socket.write(frame(FRAME.headers, END_HEADERS, streamId, Buffer.concat([STATUS_200, LENGTH_100])))
      socket.write(frame(FRAME.data, 0, streamId, Buffer.from('only this')))
    },
    answers: { 0: ['UT'], 504: ['UT'] },
  },
  {
    name: 'large',
    title: 'sends a megabyte of headers: 502, and it is not read to its end',
    protocol: 'http1',
    speaks: (socket) => void socket.write(`HTTP/1.1 200 OK\r\nx-filler: ${'x'.repeat(MEGABYTE)}\r\ncontent-length: 0\r\n\r\n`),
    // The others: a megabyte takes this server longer than the route allows, on a busy machine.
    answers: { 502: ['UPE'], 503: ['UF'], 504: ['UT'] },
  },
  {
    name: 'large',
    title: 'sends a megabyte of CONTINUATION: 502, and the connection ends',
    protocol: 'http2',
    // Once per connection, of which it is the end.
    speaks: (socket, streamId) => {
      if (streamId !== 1) return
      const piece = frame(FRAME.continuation, 0, streamId, Buffer.alloc(16 * 1024, 0x20))
      socket.write(Buffer.concat([frame(FRAME.headers, 0, streamId, STATUS_200), ...Array.from({ length: 64 }, () => piece)]))
    },
    // The others: a megabyte takes this server longer than the route allows, on a busy machine.
    answers: { 502: ['UPE'], 503: ['UF'], 504: ['UT'] },
  },
  {
    name: 'garbage',
    title: 'answers what is no HTTP: 502',
    protocol: 'http1',
    speaks: (socket) => void socket.write('\x16\x03\x01 this is not the protocol that you know\r\n\r\n'),
    answers: { 502: ['UPE'] },
  },
  {
    name: 'garbage',
    title: 'sends frames that break the protocol: 502, and the connection ends',
    protocol: 'http2',
    speaks: (socket, streamId) => void socket.write(frame(FRAME.data, END_STREAM, streamId + 1000, Buffer.alloc(100, 0xff))),
    answers: { 502: ['UPE'] },
  },
]

/** In the place of the drill's application, and gone again. */
export async function fallSick(t: TestContext, drill: Drill, { name, protocol, speaks, answers }: SickUpstream): Promise<void> {
  let octets: Octets | undefined
  const [status = ''] = Object.keys(answers)
  await drill.during({
    name,
    inject: async () => {
      await drill.backend.kill()
      octets = await startOctets(t, protocol === 'http2' ? serveHttp2(speaks) : serveHttp1(speaks), drill.backend.port)
    },
    until: status === '0' ? 'broken' : Number(status),
    mend: async () => {
      await octets?.close()
      await drill.backend.restart()
    },
    answers,
    // While the one goes and the other comes nobody listens (UF), and who is under way loses the connection: before the answer (UC), in
    // its head (UPE) or in its body, where HTTP/1.1 knows that it is half a message.
    underWay: { 503: ['UF', 'UC'], 502: ['UPE'], 0: [...(answers[0] ?? []), protocol === 'http1' ? 'UPE' : 'UC'] },
  })
}

function serveHttp1(speaks: Speaks): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', () => speaks(socket, 0))
    socket.resume()
  }
}

/** SETTINGS, its acknowledgement, and then what the fault says. */
function serveHttp2(speaks: Speaks): (socket: Socket) => void {
  return (socket) => {
    let bytes = Buffer.alloc(0)
    let prefaced = false
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (!prefaced) {
        if (bytes.length < CONNECTION_PREFACE.length) return
        bytes = bytes.subarray(CONNECTION_PREFACE.length)
        prefaced = true
        socket.write(Buffer.concat([frame(FRAME.settings, 0, 0), frame(FRAME.settings, ACK, 0)]))
      }
      const { frames, rest } = framesOf(bytes)
      bytes = Buffer.from(rest)
      for (const { type, streamId } of frames) if (type === FRAME.headers) speaks(socket, streamId)
    })
  }
}
