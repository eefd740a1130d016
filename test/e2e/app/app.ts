// The application of the end-to-end tests, one program for all parts: an echo on 8080 (HTTP/1.1), a gRPC-shaped echo on 8081 (h2c), and a
// control port on 9999 through which a test makes this pod call others, or fail its readiness. The control port is excluded from capture by
// an annotation of the pod, so that a test outside of the mesh can use it under STRICT. `app.mjs call URL` makes one call and ends: for Jobs.
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { hostname } from 'node:os'
import type { LoadPlan } from '../../harness/load.ts'
import { runLoad } from '../../harness/load.ts'
import { type Http2Plan, runHttp2Load } from '../../harness/load-http2.ts'

const pod = process.env.POD_NAME ?? hostname()
const version = process.env.VERSION ?? 'v1'
const CALL_MS = 10_000
let isReady = true

const [, , word, url = ''] = process.argv
if (word === 'call') await callAndEnd(url)
else serve()

async function callAndEnd(to: string): Promise<never> {
  const answer = await call({ url: to })
  process.stdout.write(`${JSON.stringify(answer)}\n`)
  process.exit(answer.status === 200 ? 0 : 1)
}

function serve(): void {
  const echo = http.createServer((request, response) => echoed(request, response))
  echo.keepAliveTimeout = 60_000
  echo.listen(8080)
  const grpc = http2.createServer()
  grpc.on('stream', (stream, headers) => answerGrpc(stream, headers))
  grpc.listen(8081)
  const control = http.createServer((request, response) => {
    void readBody(request)
      .then((body) => controlled(request.url ?? '', body))
      .then(
        (answer) => response.end(JSON.stringify(answer)),
        (error: unknown) => {
          response.statusCode = 500
          response.end(JSON.stringify({ message: String(error) }))
        },
      )
  })
  control.listen(9999)
  process.on('SIGTERM', () => {
    // As well-behaved servers do: no new connections, answers under way are finished.
    echo.close(() => process.exit(0))
    echo.closeIdleConnections()
    grpc.close()
    control.close()
  })
}

function echoed(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume()
  request.on('end', () => {
    if (request.url === '/ready' && !isReady) response.statusCode = 503
    response.setHeader('x-answered-by', `${pod} ${version} attempt ${request.headers['x-envoy-attempt-count'] ?? '1'}`)
    response.setHeader('content-type', 'application/json')
    const { method, url, headers } = request
    response.end(JSON.stringify({ pod, version, method, url, headers, from: request.socket.remoteAddress }))
  })
}

const HEALTH = '/grpc.health.v1.Health/Check'
/** Length-prefixed messages: of no field, and a HealthCheckResponse whose status (field 1) is SERVING (1). */
const NO_MESSAGE = Buffer.from([0, 0, 0, 0, 0])
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01])

/** A unary answer: what matters is who gave it. */
function answerGrpc(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const attempt = headers['x-envoy-attempt-count'] ?? '1'
  stream.resume()
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'x-answered-by': `${pod} ${version} attempt ${attempt}` },
    { waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(headers[':path'] === HEALTH ? SERVING : NO_MESSAGE)
}

interface Call {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** Whether HTTP_PROXY counts, where there is one; default: yes. */
  readonly proxied?: boolean
}

interface Answer {
  /** 0: there was none; `body` says why. */
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

async function controlled(path: string, body: string): Promise<unknown> {
  // What the tests of this repository send.
  const order: unknown = body === '' ? {} : JSON.parse(body)
  if (path === '/call') return call(order as Call)
  if (path === '/load') return runLoad(order as LoadPlan)
  if (path === '/load-http2') return runHttp2Load(order as Http2Plan)
  if (path === '/grpc') return callGrpc(order as { readonly authority: string; readonly calls: number })
  if (path === '/readiness') {
    isReady = (order as { readonly ready: boolean }).ready
    return { ready: isReady }
  }
  if (path === '/tcp') return firstBytes(order as { readonly host: string; readonly port: number })
  return { pod, version }
}

function call({ url: to, method = 'GET', headers = {}, timeoutMs = CALL_MS, proxied = true }: Call): Promise<Answer> {
  // Node's own reading of HTTP_PROXY and NO_PROXY, for which NODE_USE_ENV_PROXY asks; it concerns the global agent only.
  const agent = proxied && process.env.NODE_USE_ENV_PROXY === '1' ? http.globalAgent : false
  return new Promise((resolve) => {
    const none = (why: string): void => resolve({ status: 0, headers: {}, body: why })
    const request = http.request(to, { method, headers, agent, timeout: timeoutMs }, (response) => {
      readBody(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        (error: unknown) => none(String(error)),
      )
    })
    request.on('timeout', () => request.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    request.on('error', (error: NodeJS.ErrnoException) => none(error.code ?? error.message))
    request.end()
  })
}

/** All calls over one connection, as gRPC clients do: who answered how often. */
async function callGrpc({
  authority,
  calls,
}: {
  readonly authority: string
  readonly calls: number
}): Promise<Readonly<Record<string, number>>> {
  const session = http2.connect(`http://${authority}`)
  const counts: Record<string, number> = {}
  session.on('error', (error: NodeJS.ErrnoException) => {
    counts[error.code ?? error.message] = 1
  })
  for (let sent = 0; sent < calls; sent += 20) {
    await Promise.all(
      Array.from({ length: Math.min(20, calls - sent) }, async () => {
        const who = await oneGrpc(session)
        counts[who] = (counts[who] ?? 0) + 1
      }),
    )
  }
  session.close()
  return counts
}

function oneGrpc(session: http2.ClientHttp2Session): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': 'POST', ':path': '/e2e.Echo/Who', 'content-type': 'application/grpc', te: 'trailers' })
    let who = 'nobody'
    stream.on('response', (headers) => {
      who = String(headers['x-answered-by'] ?? `status ${headers[':status']}`)
    })
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] !== '0') who = `grpc ${trailers['grpc-status']}`
    })
    stream.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    stream.on('close', () => resolve(who))
    stream.resume()
    stream.end(NO_MESSAGE)
  })
}

/** Of a server that speaks first. */
function firstBytes({ host, port }: { readonly host: string; readonly port: number }): Promise<{ readonly bytes: string }> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, timeout: CALL_MS })
    socket.on('data', (bytes) => {
      resolve({ bytes: bytes.toString('latin1') })
      socket.destroy()
    })
    socket.on('timeout', () => socket.destroy(new Error(`nothing in ${CALL_MS} ms`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed before a byte came')))
  })
}

function readBody(message: http.IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    message.setEncoding('utf8')
    message.on('data', (chunk: string) => {
      text += chunk
    })
    message.on('end', () => resolve(text))
    message.on('error', reject)
  })
}
