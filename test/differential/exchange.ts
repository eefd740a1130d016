// Sends one request of a case through a proxy and says what came back, with what may differ between two runs of the same proxy
// (times, ids, ports) replaced by its kind.
import { once } from 'node:events'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { splitAnswers } from './answers.ts'
import { type CaseRequest, requestBytes } from './case.ts'
import type { Seen, Upstream } from './upstream.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Observation {
  /** In order, interim answers included. None: the connection was closed without a word. */
  readonly answers: readonly Answer[]
  readonly upstream: readonly {
    readonly upstream: string
    readonly requestLine: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  }[]
}

const OWN_ADDRESSES = Object.values(networkInterfaces())
  .flat()
  .flatMap((each) => (each === undefined || each.internal || each.family !== 'IPv4' ? [] : [each.address]))

/** Envoy leaves some broken answers hanging: nothing more will come. Whatever does come is waited for by its own signs. */
const SILENCE_MS = 2000
const LIMIT_MS = 10_000

export async function observe(port: number, request: CaseRequest, upstreams: readonly Upstream[]): Promise<Observation> {
  for (const upstream of upstreams) upstream.seen.length = 0
  const bytes = requestBytes(request)
  const methods = [...[bytes, ...request.followedBy].join('').matchAll(/(?:^|\n)([A-Z]+) \S+ HTTP\/1/g)].map((match) => match[1] ?? '')
  const text = await exchange(port, [bytes, ...request.followedBy], methods, upstreams)
  const answers = splitAnswers(text, methods).map(({ status, fields, body }) => ({ status, headers: normaliseHeaders(fields), body }))
  return { answers, upstream: upstreams.flatMap((upstream) => upstream.seen.map(normaliseSeen)) }
}

/** Each piece after the first is sent when the one before has arrived: something whole has come back, or the application has got some. */
async function exchange(
  port: number,
  pieces: readonly string[],
  methods: readonly string[],
  upstreams: readonly Upstream[],
): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  let answer = ''
  let sent = 0
  let expected = 0
  socket.setEncoding('latin1')
  const isWhole = (): boolean => {
    const answers = splitAnswers(answer, methods)
    const last = answers.at(-1)
    // What a tunnel says is an echo of what it heard.
    if (last?.status === 101) return sent === 1 || last.body.endsWith(pieces[sent - 1] ?? '')
    if (answers.some(({ complete }) => !complete)) return false
    return (sent < pieces.length ? answers.length : answers.filter(({ status }) => status >= 200).length) >= expected
  }
  await new Promise<void>((resolve) => {
    let silence: NodeJS.Timeout | undefined
    const done = (): void => {
      clearTimeout(limit)
      clearTimeout(silence)
      for (const upstream of upstreams) upstream.onOctets = undefined
      resolve()
    }
    const limit = setTimeout(done, LIMIT_MS)
    const next = (): void => {
      const piece = pieces[sent++]
      if (piece === undefined) return done()
      expected = sent < pieces.length ? splitAnswers(answer, methods).length + 1 : methods.length
      socket.write(piece, 'latin1')
      listen()
      // The answer to all of it may have come before its end was sent.
      if (sent === pieces.length && sent > 1 && isWhole()) done()
    }
    const listen = (): void => {
      clearTimeout(silence)
      silence = setTimeout(next, SILENCE_MS)
    }
    for (const upstream of upstreams)
      upstream.onOctets = () => {
        if (sent < pieces.length) next()
      }
    socket.on('data', (chunk: string) => {
      answer += chunk
      if (isWhole()) next()
      else listen()
    })
    socket.on('error', done)
    socket.on('close', done)
    next()
  })
  socket.destroy()
  return answer
}

function normaliseSeen(seen: Seen): Observation['upstream'][number] {
  return { ...seen, headers: normaliseHeaders(seen.headers) }
}

export function normaliseHeaders(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const plain = normaliseValue(key, value)
    headers[key] = headers[key] === undefined ? plain : `${headers[key]}, ${plain}`
  }
  return Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function normaliseValue(name: string, value: string): string {
  if (name === 'x-request-id' && /^[0-9a-f-]{36}(?=,|$)/.test(value))
    return value.replace(/^[0-9a-f-]{36}/, '<uuid>').replaceAll(/ *, */g, ', ')
  if (name === 'date' && !value.includes('1994')) return '<date>'
  if (name === 'x-envoy-upstream-service-time' && /(?:^|,)\d+(?=,|$)/.test(value))
    return value.replaceAll(/(?<=^|,)\d+(?=,|$)/g, '<ms>').replaceAll(/ *, */g, ', ')
  // RFC 9112 7: names of codings and options have no letter case.
  if (name === 'transfer-encoding' || name === 'connection') return value.toLowerCase()
  // It shrinks with each attempt by what the attempts before took.
  if (name === 'x-envoy-expected-rq-timeout-ms' && Number(value) > 500) return `<up to ${5 * Math.ceil(Number(value) / 5000)} s>`
  // For a client on loopback Envoy writes its own address of the network. Ports differ between the two proxies by construction.
  const plain = OWN_ADDRESSES.reduce((text, address) => text.replaceAll(address, '127.0.0.1'), value)
  return plain.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:<port>').replaceAll(/ *, */g, ', ')
}
