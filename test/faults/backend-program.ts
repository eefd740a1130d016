// The application of the drills: answers everything 200 without content, on any wire. Environment: HOST, PORT, PROTOCOL, and with TLS the
// folder CERTIFICATES. A process of its own, so that it can be killed, stopped and started again.
// An answer is one write and one frame: no fault finds a half of it, so that what a fault does to answers under way has its own drill.
import { readFileSync } from 'node:fs'
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import path from 'node:path'

const { HOST = '127.0.0.1', PORT = '0', PROTOCOL = 'http1', CERTIFICATES = '' } = process.env

function answerRequest(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  request.on('end', () => response.writeHead(200, { 'content-length': '0' }).end())
}

function answerStream(stream: ServerHttp2Stream): void {
  stream.on('error', () => undefined)
  stream.resume()
  stream.on('end', () => {
    if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true })
  })
}

function create() {
  if (CERTIFICATES === '') return PROTOCOL === 'http2' ? createHttp2() : createHttp1({ keepAliveTimeout: 0 }, answerRequest)
  const file = (name: string): Buffer => readFileSync(path.join(CERTIFICATES, name))
  const own = { cert: file('backend.pem'), key: file('backend.key'), ca: file('root.pem') }
  const secure = { ...own, requestCert: true, rejectUnauthorized: true }
  return PROTOCOL === 'http2' ? createSecureServer(secure) : createHttps({ ...secure, keepAliveTimeout: 0 }, answerRequest)
}

const server = create()
server.on('stream', answerStream)
// Who is stopped must still be connected to: the kernel does that, up to the backlog.
server.listen({ host: HOST, port: Number(PORT), backlog: 4096 })
