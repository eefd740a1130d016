// What the four services share: a small HTTP server that answers a table of routes, says when it is healthy, and stops politely.
// Nothing here knows of a mesh but two courtesies: tracing headers are passed on, and the caller that the sidecar proved is shown.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { hostname } from 'node:os'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Question {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Handler = (question: Question) => Answer | Promise<Answer>

/** `METHOD /path` -> handler; a key that ends in `/` answers everything below it. */
export type Routes = Readonly<Record<string, Handler>>

/** The workload that answers: the mesh sets WORKLOAD_NAME, Kubernetes the host name. */
export const workload = process.env.WORKLOAD_NAME ?? hostname()
export const version = process.env.SERVICE_VERSION ?? 'v1'

export function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json', body: JSON.stringify(value) }
}

/** Listens on PORT (9080) of HOST until SIGTERM; then answers what it has begun and leaves. */
export function serve(name: string, routes: Routes): void {
  const server = createServer((incoming, response) => {
    answer(routes, incoming).then(
      (result) => send(response, result),
      (error: unknown) => {
        console.error(`${name}: ${incoming.method} ${incoming.url} failed:`, error)
        send(response, json({ error: `${name} failed, its log says why` }, 500))
      },
    )
  })
  // Longer than the sidecar keeps an idle connection, so that it is never this side that closes one just as a request arrives.
  server.keepAliveTimeout = 90_000
  const port = Number(process.env.PORT ?? 9080)
  server.listen(port, process.env.HOST ?? '0.0.0.0', () => console.log(`${name} ${version} listens on port ${port}`))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close(() => process.exit(0))
      server.closeIdleConnections()
    })
  }
}

async function answer(routes: Routes, incoming: IncomingMessage): Promise<Answer> {
  const url = new URL(incoming.url ?? '/', 'http://localhost')
  const method = incoming.method === 'HEAD' ? 'GET' : (incoming.method ?? 'GET')
  const key = `${method} ${url.pathname}`
  const handler = routes[key] ?? routes[Object.keys(routes).find((route) => route.endsWith('/') && key.startsWith(route)) ?? '']
  if (url.pathname === '/health') return json({ status: 'healthy' })
  if (handler === undefined) return json({ error: `nothing at ${url.pathname}` }, 404)
  let body = ''
  for await (const chunk of incoming.setEncoding('utf8')) {
    body += String(chunk)
    if (body.length > 65_536) return json({ error: 'too large' }, 413)
  }
  return handler({ method, path: url.pathname, query: url.searchParams, headers: incoming.headers, body })
}

function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'content-length': Buffer.byteLength(body), ...headers })
  response.end(body)
}

/** Passed from the request that came in to the ones that go out, so that a trace shows one picture; and the user, for routing by user. */
const PASSED_ON = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'b3',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'sw8',
  'grpc-trace-bin',
  'x-cloud-trace-context',
  'end-user',
  'user-agent',
] as const

export function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of PASSED_ON) {
    const value = headers[name]
    if (typeof value === 'string') found[name] = value
  }
  return found
}

export type Reply = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string }

/** GET of another service by its Kubernetes name; a failure is an answer, so that a page can show the rest. */
export function ask(service: string, path: string, headers: Record<string, string>, timeoutMs = 2500): Promise<Reply> {
  const prefix = service.toUpperCase().replaceAll('-', '_')
  const host = process.env[`${prefix}_SERVICE_HOST`] ?? service
  const port = Number(process.env[`${prefix}_SERVICE_PORT`] ?? 9080)
  return new Promise((resolve) => {
    const failed = (why: string): void => resolve({ ok: false, why })
    const outgoing = request({ host, port, path, headers: { ...headers, host: `${service}:${port}` }, timeout: timeoutMs }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('error', (error) => failed(`${service} broke off: ${error.message}`))
      response.on('end', () => {
        if (response.statusCode !== 200) return failed(`${service} answered ${response.statusCode}: ${body.slice(0, 200)}`)
        try {
          resolve({ ok: true, value: JSON.parse(body) })
        } catch {
          failed(`${service} answered something that is not JSON`)
        }
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    outgoing.on('error', (error) => failed(`${service} cannot be reached: ${error.message}`))
    outgoing.end()
  })
}

/** Who called, as the sidecar proved it (x-forwarded-client-cert; the sidecar strips what a caller claims); undefined without mTLS. */
export function callerOf(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['x-forwarded-client-cert']
  return typeof value === 'string' ? /URI=([^;,]+)/.exec(value)?.[1] : undefined
}
