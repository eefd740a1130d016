// One GET to the application, as a kubelet or Prometheus would make it: HTTP/1.1, a connection of its own, a limit for time and size.
// Used by run-probe.ts and merged-metrics.ts. Not hot: node:http, which the admin port has loaded anyway.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { request } from '../../base/node-http.ts'
import { callApplication, secureUnverified } from './application-calls.ts'

export interface GetRequest {
  readonly host: string
  readonly port: number
  /** With its query; begins with '/'. */
  readonly path: string
  readonly secure: boolean
  /** Lower-case names; `host` replaces the address. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** What is read of the body; the rest is cut. */
  readonly maxBytes: number
}

export interface GetAnswer {
  readonly status: number
  readonly contentType: string
  readonly location: string | undefined
  readonly body: Buffer
  readonly cut: boolean
}

export async function httpGet(get: GetRequest, podAddress: string, signal: AbortSignal): Promise<GetAnswer> {
  const plain = await callApplication(get, podAddress, signal)
  const named = get.headers.host
  const socket = get.secure
    ? await secureUnverified(plain, typeof named === 'string' ? named.replace(/:\d+$/, '') : get.host, signal)
    : plain
  try {
    const response = await sent(get, socket, signal)
    const { body, cut } = await readBody(response, get.maxBytes, signal)
    const { location } = response.headers
    return { status: response.statusCode ?? 0, contentType: response.headers['content-type'] ?? '', location, body, cut }
  } finally {
    socket.destroy()
    plain.destroy()
  }
}

function sent(get: GetRequest, socket: Socket, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { host, port, path, headers } = get
    const own = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const fields = { host: own, 'accept-encoding': 'identity', ...headers, connection: 'close' }
    const call = request({ method: 'GET', path, headers: fields, createConnection: () => socket, signal })
    call.on('response', resolve)
    call.on('error', (error) => reject(signal.aborted && signal.reason instanceof Error ? signal.reason : error))
    call.end()
  })
}

function readBody(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ readonly body: Buffer; readonly cut: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, maxBytes - size))
      size += chunk.length
      if (size <= maxBytes) return
      resolve({ body: Buffer.concat(chunks), cut: true })
      response.destroy()
    })
    response.on('end', () => resolve({ body: Buffer.concat(chunks), cut: false }))
    response.on('error', (error) => reject(signal.aborted && signal.reason instanceof Error ? signal.reason : error))
  })
}
