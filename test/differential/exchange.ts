// Sends one request of a case through a proxy and says what came back, with what may differ between two runs of the same proxy
// (times, ids, ports) replaced by its kind.
import { once } from 'node:events'
import net from 'node:net'
import { type CaseRequest, requestBytes } from './case.ts'
import { type Seen, type Upstream, unchunk } from './upstream.ts'

export interface Observation {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly upstream: readonly {
    readonly upstream: string
    readonly requestLine: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  }[]
}

/** How long silence after the last byte means that the answer is complete although the connection stays open. */
const QUIET_MS = 150
const LIMIT_MS = 5000

export async function observe(port: number, request: CaseRequest, upstreams: readonly Upstream[]): Promise<Observation> {
  for (const upstream of upstreams) upstream.seen.length = 0
  const answer = await exchange(port, requestBytes(request))
  const { status, headers, body } = parseAnswer(answer)
  return { status, headers, body, upstream: upstreams.flatMap((upstream) => upstream.seen.map(normaliseSeen)) }
}

async function exchange(port: number, bytes: string): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  let answer = ''
  socket.setEncoding('latin1')
  socket.write(bytes, 'latin1')
  await new Promise<void>((resolve) => {
    const limit = setTimeout(resolve, LIMIT_MS)
    let quiet: NodeJS.Timeout | undefined
    const done = (): void => {
      clearTimeout(limit)
      clearTimeout(quiet)
      resolve()
    }
    socket.on('data', (chunk: string) => {
      answer += chunk
      clearTimeout(quiet)
      if (isComplete(answer)) done()
      else quiet = setTimeout(done, QUIET_MS)
    })
    socket.on('error', done)
    socket.on('close', done)
  })
  socket.destroy()
  return answer
}

function isComplete(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, headEnd))?.[1]
  return length !== undefined ? answer.length >= headEnd + 4 + Number(length) : answer.endsWith('\r\n0\r\n\r\n')
}

function parseAnswer(answer: string): { status: number; headers: Record<string, string>; body: string } {
  const headEnd = answer.indexOf('\r\n\r\n')
  if (headEnd < 0) return { status: 0, headers: {}, body: answer }
  const [statusLine = '', ...lines] = answer.slice(0, headEnd).split('\r\n')
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const)
  const headers = normaliseHeaders(pairs)
  const body = answer.slice(headEnd + 4)
  // Where chunks begin and end means nothing (RFC 9112 7.1): what counts is the content.
  return { status: Number(statusLine.split(' ')[1]), headers, body: headers['transfer-encoding'] === 'chunked' ? unchunk(body) : body }
}

function normaliseSeen(seen: Seen): Observation['upstream'][number] {
  return { ...seen, headers: normaliseHeaders(seen.headers) }
}

function normaliseHeaders(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const plain = normaliseValue(key, value)
    headers[key] = headers[key] === undefined ? plain : `${headers[key]}, ${plain}`
  }
  return Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function normaliseValue(name: string, value: string): string {
  if (name === 'x-request-id' && /^[0-9a-f-]{36}$/.test(value)) return '<uuid>'
  if (name === 'date') return '<date>'
  if (name === 'x-envoy-upstream-service-time' && /^\d+$/.test(value)) return '<ms>'
  // Ports differ between the two proxies by construction.
  return value.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:<port>')
}
