// One HTTP exchange with the API server on node:http(s): one keep-alive agent per client, a deadline, a bound on the body, a signal.
// client.ts puts Kubernetes' meaning on top. Invariant: every exchange ends in a value, and its timer and listeners end with it.
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Clock } from '../base/clock.ts'
import { errorCode, errorMessage, LateenError } from '../base/errors.ts'
import type { KubeConnection, KubeCredentials } from './connection.ts'
import { failed, failureOf, type KubeReason, type KubeResult, type What } from './failure.ts'

export interface Exchange {
  readonly what: What
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With the query. */
  readonly path: string
  readonly accept?: string
  readonly body?: { readonly contentType: string; readonly text: string } | undefined
  /** Until the answer is complete; of a stream: until its head is here. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface Transport {
  exchange(exchange: Exchange, maxBodyBytes: number): Promise<KubeResult<Answer>>
  /** The head is here; the body is the caller's to read, who must destroy the response in the end. */
  open(exchange: Exchange): Promise<KubeResult<IncomingMessage>>
  close(): void
}

/** TCP keep-alive: a half-open connection (a node that vanished) is found within a minute, also under a silent watch. */
const KEEP_ALIVE_MS = 30_000

export function createTransport(connection: KubeConnection, clock: Clock, userAgent: string): Transport {
  const agents = new AgentKeeper(connection.server)
  const start = async (exchange: Exchange, refused: boolean): Promise<KubeResult<IncomingMessage>> => {
    let credentials: KubeCredentials
    try {
      credentials = await connection.credentials(refused)
      refuseTokenInTheClear(connection.server, credentials)
    } catch (error) {
      return failed(failureOf(exchange.what, 0, 'Credentials', `no credentials from ${connection.source}: ${errorMessage(error)}`))
    }
    return send(connection.server, agents.agentFor(credentials), credentials, exchange, clock, userAgent)
  }
  const open = async (exchange: Exchange): Promise<KubeResult<IncomingMessage>> => {
    const first = await start(exchange, false)
    // An idle connection that the server closed in the moment of its use: a read is asked again, a write is the caller's decision.
    if (!first.ok) return first.failure.stale === true && exchange.method === 'GET' ? start(exchange, false) : first
    if (first.value.statusCode !== 401) return first
    // A token may have been rotated between our last look and this request: worth one more look.
    first.value.resume()
    return start(exchange, true)
  }
  return {
    open,
    exchange: async (exchange, maxBodyBytes) => {
      const opened = await open(exchange)
      return opened.ok ? readBody(opened.value, exchange, maxBodyBytes, clock) : opened
    },
    close: () => agents.close(),
  }
}

/** One agent, made anew when the certificates changed; requests under way keep the old one's sockets. */
class AgentKeeper {
  readonly #server: URL
  #identity = ''
  #agent: http.Agent | undefined

  constructor(server: URL) {
    this.#server = server
  }

  agentFor(credentials: KubeCredentials): http.Agent {
    if (credentials.agent !== undefined) return credentials.agent
    const identity = [credentials.ca, credentials.certificate, credentials.key, credentials.serverName, credentials.insecure].join('\n')
    if (this.#agent !== undefined && identity === this.#identity) return this.#agent
    // Idle sockets of the old identity must not carry a request of the new one; those in use end with their requests.
    this.#closeIdle()
    this.#identity = identity
    this.#agent = this.#create(credentials)
    return this.#agent
  }

  #create(credentials: KubeCredentials): http.Agent {
    // No bound on sockets: every watch holds one for minutes, and a bound would let watches starve requests.
    const common = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxFreeSockets: 8 }
    if (this.#server.protocol === 'http:') return new http.Agent(common)
    const { ca, certificate, key, serverName, insecure } = credentials
    return new https.Agent({
      ...common,
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: insecure !== true,
    })
  }

  #closeIdle(): void {
    for (const sockets of Object.values(this.#agent?.freeSockets ?? {})) for (const socket of sockets ?? []) socket.destroy()
  }

  close(): void {
    this.#agent?.destroy()
  }
}

function refuseTokenInTheClear(server: URL, credentials: KubeCredentials): void {
  if (server.protocol === 'https:' || credentials.headers.authorization === undefined) return
  if (['127.0.0.1', '[::1]', 'localhost'].includes(server.hostname)) return
  throw new LateenError('TOKEN_IN_THE_CLEAR', `a token is not sent to ${server.origin} without TLS: use https`)
}

function send(
  server: URL,
  agent: http.Agent,
  credentials: KubeCredentials,
  exchange: Exchange,
  clock: Clock,
  userAgent: string,
): Promise<KubeResult<IncomingMessage>> {
  const { what, method, path, body, accept, signal, timeoutMs } = exchange
  if (signal?.aborted === true) return Promise.resolve(failed(failureOf(what, 0, 'Aborted', 'given up before it was sent')))
  const headers: OutgoingHttpHeaders = {
    ...credentials.headers,
    accept: accept ?? 'application/json',
    'user-agent': userAgent,
    ...(body === undefined ? {} : { 'content-type': body.contentType, 'content-length': Buffer.byteLength(body.text) }),
  }
  const base = server.pathname === '/' ? '' : server.pathname.replace(/\/$/, '')
  const { request } = server.protocol === 'https:' ? https : http
  return new Promise((resolve) => {
    let sent: ClientRequest | undefined
    const settle = (result: KubeResult<IncomingMessage>): void => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      resolve(result)
    }
    const giveUp = (reason: KubeReason, detail: string): void => {
      settle(failed(failureOf(what, 0, reason, detail)))
      sent?.destroy()
    }
    const abort = (): void => giveUp('Aborted', 'given up by the caller')
    const timer = clock.after(timeoutMs, () => giveUp('Timeout', `${server.origin} did not answer within ${timeoutMs} ms`))
    signal?.addEventListener('abort', abort, { once: true })
    sent = request({
      protocol: server.protocol,
      hostname: unbracketed(server.hostname),
      port: server.port,
      agent,
      method,
      path: base + path,
      headers,
    })
    sent.on('response', (response) => {
      response.on('error', () => undefined) // what breaks later is told by 'close'
      settle({ ok: true, value: response })
    })
    sent.on('error', (error) => {
      const failure = failureOf(what, 0, 'Unreachable', brokenConnection(server, error))
      settle(failed(sent?.reusedSocket === true ? { ...failure, stale: true } : failure))
    })
    sent.end(body?.text)
  })
}

function brokenConnection(server: URL, error: Error): string {
  const code = errorCode(error)
  const prefix = code === undefined || error.message.includes(code) ? '' : `${code}: `
  return `no answer from ${server.origin}: ${prefix}${errorMessage(error)}`
}

/** The whole body, bounded; also of a stream that turned out to be an error. */
export function readBody(response: IncomingMessage, exchange: Exchange, maxBodyBytes: number, clock: Clock): Promise<KubeResult<Answer>> {
  const { what, timeoutMs, signal } = exchange
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (result: KubeResult<Answer>): void => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      resolve(result)
    }
    const giveUp = (reason: KubeReason, detail: string): void => {
      settle(failed(failureOf(what, 0, reason, detail)))
      response.destroy()
    }
    const abort = (): void => giveUp('Aborted', 'given up by the caller')
    const timer = clock.after(timeoutMs, () => giveUp('Timeout', `the answer was not complete within ${timeoutMs} ms`))
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBodyBytes) giveUp('TooLarge', `the answer is larger than ${maxBodyBytes} bytes`)
      else chunks.push(chunk)
    })
    response.on('end', () =>
      settle({ ok: true, value: { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) } }),
    )
    response.on('close', () => settle(failed(failureOf(what, 0, 'Unreachable', 'the connection broke in the middle of the answer'))))
  })
}

/** node:http wants `::1`, URLs say `[::1]`. */
function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
