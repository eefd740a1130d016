// HTTP/2 neighbours of a proxy under test: node:http2 as client and server, whose view of a message is checked field by field.
import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { ConnectionOptions } from 'node:tls'

export interface Http2Answer {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader
  readonly trailers: http2.IncomingHttpHeaders | undefined
  readonly interim: readonly number[]
  readonly body: Buffer
}

export type Http2Handler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, endsWithHead: boolean) => void

export interface Http2Upstream {
  readonly port: number
  readonly sockets: readonly Socket[]
  readonly sessions: http2.ServerHttp2Session[]
}

/** A server that speaks HTTP/2 without TLS, by prior knowledge. */
export async function startHttp2Upstream(
  t: TestContext,
  handler: Http2Handler,
  settings: http2.ServerOptions = {},
): Promise<Http2Upstream> {
  const server = http2.createServer(settings)
  const sessions: http2.ServerHttp2Session[] = []
  const sockets: Socket[] = []
  server.on('connection', (socket) => sockets.push(socket))
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => undefined)
  })
  server.on('stream', (stream, headers, flags) => {
    stream.on('error', () => undefined)
    handler(stream, headers, (flags & 1) !== 0)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return { port: (server.address() as AddressInfo).port, sessions, sockets }
}

export async function connectHttp2(
  t: TestContext,
  port: number,
  { tls, ...options }: http2.ClientSessionOptions & { readonly tls?: ConnectionOptions } = {},
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, { ...options, ...tls })
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** A whole exchange; rejects when the stream is reset. */
export function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body: string | Buffer | undefined = undefined,
  trailers: http2.OutgoingHttpHeaders | undefined = undefined,
): Promise<Http2Answer> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined, waitForTrailers: trailers !== undefined })
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

export function answerOf(stream: http2.ClientHttp2Stream): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    let headers: Http2Answer['headers'] = {}
    let trailers: http2.IncomingHttpHeaders | undefined
    const interim: number[] = []
    const pieces: Buffer[] = []
    stream.on('headers', (fields) => interim.push(Number(fields[':status'])))
    stream.on('response', (fields) => {
      headers = fields
    })
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('error', reject)
    stream.on('close', () => {
      if (stream.rstCode !== 0) reject(new Error(`reset with ${stream.rstCode}`))
      resolve({ status: Number(headers[':status']), headers, trailers, interim, body: Buffer.concat(pieces) })
    })
  })
}
