// Opens and closes the agent's ports, on all interfaces and both families. Made by bin/proxy-process.ts.
// Invariant: whoever connects costs little: connections are counted, a request must come soon, an answer must be read.
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { errorCode, errorMessage } from '../../base/errors.ts'
import { createServer } from '../../base/node-http.ts'
import { sendChunks } from '../admin/send-chunks.ts'
import { type AgentRoutes, healthRoutes, prometheusRoutes, statusRoutes } from './agent-routes.ts'
import type { AgentState } from './agent-state.ts'
import { MergedMetrics } from './merged-metrics.ts'

/** A kubelet has one per probe, Prometheus one. */
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 5000
/** In which an answer must have been read. */
const READ_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 5000
/** A predecessor in this pod's namespace may still be closing. */
const OPEN_ATTEMPTS = 20
const OPEN_AGAIN_MS = 100

export interface AgentServers {
  readonly metrics: MergedMetrics
  /** The ports in use, in the order status, health, Prometheus; 0: not opened. */
  readonly ports: readonly number[]
  close(): Promise<void>
}

/** @throws the system's error, with a sentence, when a port is taken. */
export async function startAgentServers(state: AgentState): Promise<AgentServers> {
  const { statusPort, healthPort, prometheusPort } = state.settings
  const metrics = new MergedMetrics(state)
  const wanted: readonly (readonly [number, AgentRoutes])[] = [
    [statusPort, statusRoutes(state, metrics)],
    [healthPort, healthRoutes(state)],
    [prometheusPort, prometheusRoutes(state)],
  ]
  const servers: Server[] = []
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer))
  }
  const ports: number[] = []
  try {
    for (const [port, routes] of wanted) {
      if (port === 0) {
        ports.push(0)
        continue
      }
      const server = createAgentServer(state, routes)
      await open(server, port, state)
      servers.push(server)
      ports.push(port)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { metrics, ports, close }
}

function createAgentServer(state: AgentState, routes: AgentRoutes): Server {
  const server = createServer(
    { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1000, maxHeaderSize: 16 * 1024 },
    (request, response) => {
      answer(routes, request, response, state.clock).catch((error: unknown) => {
        state.log.warn('a request to the agent failed', { path: request.url, reason: errorMessage(error) })
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
        response.end()
      })
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  return server
}

async function answer(routes: AgentRoutes, request: IncomingMessage, response: ServerResponse, clock: Clock): Promise<void> {
  request.resume()
  const [path = '/'] = (request.url ?? '/').split('?')
  const { status, contentType, body } = await routes(request, path)
  const late = clock.after(READ_TIMEOUT_MS, () => response.destroy(), { background: true })
  response.once('close', () => late.cancel())
  const fields = { 'content-type': contentType === '' ? 'text/plain' : contentType, 'x-content-type-options': 'nosniff' }
  response.writeHead(status, fields)
  if (request.method === 'HEAD') response.end()
  else if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(body)
  else await sendChunks(response, body)
}

async function open(server: Server, port: number, { clock, log }: AgentState): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // No host: both families, or IPv4 alone where the kernel has no other.
      server.listen(port)
      await once(server, 'listening')
      // Out of file descriptors: accepting goes on when some are free.
      server.on('error', (error) => log.warn("the agent's port cannot accept", { port, reason: errorMessage(error) }))
      return
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE' || attempt >= OPEN_ATTEMPTS) throw error
      await new Promise<void>((resolve) => void clock.after(OPEN_AGAIN_MS, resolve))
    }
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
