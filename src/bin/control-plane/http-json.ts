// JSON over node:http: a table of routes, bounded bodies, errors as sentences. Used for the socket (status-api.ts) and the monitoring port.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'

export interface Answer {
  readonly status: number
  /** A string goes out as text, anything else as JSON. */
  readonly body: unknown
  /** A field of the body, its last, that may be very long: written in slices, so that others are answered meanwhile. */
  readonly list?: { readonly name: string; readonly items: readonly unknown[] }
}

export interface Question {
  readonly query: URLSearchParams
  /** Parsed JSON; undefined for GET. */
  readonly body: unknown
}

/** 'GET /v1/version' -> what answers it. */
export type Routes = Readonly<Record<string, (question: Question) => Answer | Promise<Answer>>>

/** A directory's worth of YAML; more is no hand-written configuration. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

export function createJsonServer(routes: Routes, log: Logger): Server {
  return createServer((request, response) => {
    answer(routes, request).then(
      (result) => (result.list === undefined ? send(response, result) : sendList(response, result, result.list)),
      (error: unknown) => {
        log.error('a question could not be answered', { url: request.url, reason: errorMessage(error) })
        send(response, { status: 500, body: { message: errorMessage(error) } })
      },
    )
  })
}

async function answer(routes: Routes, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const route = routes[`${request.method} ${url.pathname}`]
  if (route === undefined) {
    return { status: 404, body: { message: `there is no ${request.method} ${url.pathname}; there are: ${Object.keys(routes).join(', ')}` } }
  }
  if (request.method === 'GET') return route({ query: url.searchParams, body: undefined })
  const text = await readBody(request)
  if (text === undefined) return { status: 413, body: { message: `a request has at most ${MAX_BODY_BYTES} bytes` } }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return { status: 400, body: { message: 'the body is not JSON' } }
  }
  return route({ query: url.searchParams, body })
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const isText = typeof body === 'string'
  const text = isText ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': isText ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json' })
  response.end(text)
}

/** A few milliseconds of work each. */
const SLICE = 200

function sendList(response: ServerResponse, { status, body }: Answer, { name, items }: NonNullable<Answer['list']>): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  const head = JSON.stringify(body ?? {}).slice(0, -1)
  response.write(`${head}${head === '{' ? '' : ','}${JSON.stringify(name)}:[`)
  let at = 0
  const next = (): void => {
    if (response.destroyed) return
    const slice = items.slice(at, at + SLICE).map((item) => JSON.stringify(item))
    const text = `${at === 0 || slice.length === 0 ? '' : ','}${slice.join(',')}`
    at += SLICE
    if (at >= items.length) response.end(`${text}]}`)
    // Whoever reads slowly is waited for, so that little is in memory.
    else if (response.write(text)) setImmediate(next)
    else response.once('drain', next)
  }
  next()
}
