// The admin port: Envoy's paths over plain HTTP on a loopback address. Not hot, so node:http serves it; long answers go out in chunks
// with the loop free between them. Opened and closed by the composition root.
// Invariant: an answer reads the state at that moment and keeps nothing; a failure is an answer 500, never a crash.
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { createServer } from '../../base/node-http.ts'
import { suggest } from '../../base/suggest.ts'
import { type AdminAnswer, adminRoutes, text } from './admin-routes.ts'
import type { AdminState } from './admin-state.ts'
import { sendChunks } from './send-chunks.ts'

export interface AdminServer {
  readonly address: { readonly host: string; readonly port: number }
  close(): Promise<void>
}

/** @param address port 0 takes any free one. Rejects with the system's error when the port is taken. */
export async function startAdminServer(
  state: AdminState,
  address: { readonly host: string; readonly port: number },
  clock: Clock,
  log: Logger,
): Promise<AdminServer> {
  const server = createServer((request, response) => {
    serve(state, request, response, clock).catch((error: unknown) => {
      log.warn('an admin request failed', { path: request.url, reason: errorMessage(error) })
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
      response.end(`failed: ${errorMessage(error)}\n`)
    })
  })
  server.listen(address.port, address.host)
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return { address: { host: address.host, port }, close: () => closeServer(server) }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function serve(state: AdminState, request: IncomingMessage, response: ServerResponse, clock: Clock): Promise<void> {
  request.resume()
  const url = new URL(request.url ?? '/', 'http://admin')
  const answer = await answerFor(state, request, url, clock)
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
  })
  if (request.method === 'HEAD') response.end()
  else if (typeof answer.body === 'string') response.end(answer.body)
  else await sendChunks(response, answer.body)
}

function answerFor(state: AdminState, request: IncomingMessage, url: URL, clock: Clock): AdminAnswer | Promise<AdminAnswer> {
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : url.pathname
  if (path === '/' || path === '/help') return text(list())
  const route = adminRoutes[path]
  if (route === undefined) {
    const near = suggest(path, Object.keys(adminRoutes))
    return { ...text(`no such path: ${path}${near === undefined ? '' : `; did you mean ${near}?`}\n\n${list()}`), status: 404 }
  }
  // A page in somebody's browser can reach loopback; it cannot leave out its Origin.
  if (request.headers.origin !== undefined) return { ...text('forbidden: the admin port is not for browser pages\n'), status: 403 }
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (route.method === 'POST' ? request.method !== 'POST' : !isRead && request.method !== 'POST') {
    return { ...text(`method not allowed: ${path} needs ${route.method}\n`), status: 405 }
  }
  return route.answer(state, url.searchParams, clock)
}

function list(): string {
  const lines = Object.entries(adminRoutes).map(([path, { method, help }]) => `  ${method.padEnd(4)} ${path.padEnd(18)} ${help}\n`)
  return `admin paths:\n${lines.join('')}`
}
