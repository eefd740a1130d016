// The same cases, asked over HTTP/2: every request that HTTP/2 can say is sent to Envoy and to our proxy by prior knowledge, and status,
// fields, body and what the application sees must be the same. What only HTTP/1.1 can say (raw octets, fields of one hop) is left out.
import assert from 'node:assert/strict'
import http2 from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { findEnvoy, startEnvoy } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { type CaseRequest, type DifferentialCase, differentialBootstrap, readCases } from './case.ts'
import { differentLeaves, lineOf } from './different-leaves.ts'
import { normaliseHeaders, type Observation } from './exchange.ts'
import { startLateen } from './lateen.ts'
import { Upstream } from './upstream.ts'

/** RFC 9113 8.2.2: of one HTTP/1.1 connection, or framing that HTTP/2 does by itself. */
const NOT_SAID = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings|host|te|content-length|expect)$/i

const cases = readCases()
  .map((each) => ({ ...each, requests: each.requests.filter(isSayable) }))
  .filter((each) => each.requests.length > 0)

function isSayable({ raw, followedBy, headers, method, path, ours, host }: CaseRequest): boolean {
  return (
    raw === undefined &&
    followedBy.length === 0 &&
    ours === undefined &&
    host !== undefined &&
    method !== 'CONNECT' &&
    path.startsWith('/') &&
    headers.every(([name, value]) => !NOT_SAID.test(name) && value === value.trim()) &&
    // Node's client refuses to repeat a field of which it knows that it has one value.
    !headers.some(
      ([name], index) => !/^x-/i.test(name) && headers.findIndex((other) => other[0].toLowerCase() === name.toLowerCase()) < index,
    )
  )
}

/** Where we differ over HTTP/2 on purpose; each stands in docs/differences.md. */
const ON_PURPOSE: readonly {
  readonly of: string
  readonly when: (request: CaseRequest) => boolean
  readonly ours: (answer: Observation['answers'][number] | undefined) => boolean
}[] = [
  // A refusal is an answer, where Envoy resets the stream without a word.
  { of: 'authorities', when: ({ host }) => /[^\w.:[\]-]/.test(host ?? ''), ours: (answer) => answer?.status === 400 },
  { of: 'header-limits', when: ({ headers }) => headers.length > 6, ours: (answer) => answer?.status === 431 },
  // RFC 3986: a path is ASCII. As over HTTP/1.1, where Envoy refuses it too.
  { of: 'path-as-it-is', when: ({ path }) => /[^!-~]/.test(path), ours: (answer) => answer?.status === 400 },
  // What a trusted hop says of its client counts, whatever :scheme that hop speaks to us with.
  {
    of: 'redirects',
    when: ({ headers, path }) => path.startsWith('/same') && headers.some(([name]) => name === 'x-forwarded-proto'),
    ours: (answer) => answer?.headers.location?.startsWith('https://') === true,
  },
]

const envoyBinary = findEnvoy()
const skip =
  envoyBinary === undefined && process.env.CI !== 'true' ? "no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY" : false

describe('as Envoy does, over HTTP/2', { skip }, () => {
  const upstreams = [new Upstream('a'), new Upstream('b')]
  let envoyPorts: readonly number[] = []
  let lateenPorts: readonly number[] = []
  const stops: (() => Promise<void>)[] = []

  before(async () => {
    if (envoyBinary === undefined) throw new Error("CI must have Envoy: run 'npm run envoy' first")
    const [a = 0, b = 0, closed = 0, envoyAdmin = 0, lateenAdmin = 0, ...rest] = await freePorts(5 + 2 * cases.length)
    envoyPorts = rest.slice(0, cases.length)
    lateenPorts = rest.slice(cases.length)
    await upstreams[0]?.listen(a)
    await upstreams[1]?.listen(b)
    const ports = { upstreams: { a, b, closed } }
    const envoys = differentialBootstrap(cases, { ...ports, admin: envoyAdmin, listeners: envoyPorts })
    const envoy = await startEnvoy(envoyBinary, envoys, envoyAdmin)
    stops.push(envoy.stop)
    stops.push(await startLateen(differentialBootstrap(cases, { ...ports, admin: lateenAdmin, listeners: lateenPorts }), lateenAdmin))
  })

  after(async () => {
    for (const stop of stops) await stop()
    for (const upstream of upstreams) await upstream.close()
  })

  for (const [index, each] of cases.entries()) {
    test(`${each.name}: ${each.what}`, async () => {
      const differences = await compare(each, envoyPorts[index] ?? 0, lateenPorts[index] ?? 0, upstreams)
      assert.equal(differences.length, 0, differences.join('\n\n'))
    })
  }
})

async function compare(each: DifferentialCase, envoy: number, lateen: number, upstreams: readonly Upstream[]): Promise<string[]> {
  const differences: string[] = []
  for (const request of each.requests) {
    const expected = comparable(await observe(envoy, request, upstreams), request)
    const own = await observe(lateen, request, upstreams)
    const actual = comparable(own, request)
    const [ownAnswer] = own.answers
    const said = `${request.method} ${request.path} at ${request.host} ${JSON.stringify(request.headers)}`
    const lines = differentLeaves(actual, expected).map(lineOf)
    const wanted = ON_PURPOSE.find((known) => known.of === each.name && known.when(request))
    if (wanted === undefined) {
      if (lines.length > 0) differences.push(`${said}\n${lines.join('\n')}`)
    } else if (lines.length === 0) differences.push(`${said}\nthere is no difference any more: remove it from ON_PURPOSE`)
    else if (!wanted.ours(ownAnswer)) differences.push(`${said}\nours is not the wanted one: ${JSON.stringify(ownAnswer)}`)
  }
  return differences
}

async function observe(port: number, request: CaseRequest, upstreams: readonly Upstream[]): Promise<Observation> {
  for (const upstream of upstreams) upstream.seen.length = 0
  const answers = [await ask(port, request)]
  const upstream = upstreams.flatMap(({ seen }) => seen.map((one) => ({ ...one, headers: normaliseHeaders(one.headers) })))
  return { answers, upstream }
}

async function ask(port: number, request: CaseRequest): Promise<Observation['answers'][number]> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  const fields = [':method', request.method, ':path', request.path, ':scheme', 'http', ':authority', request.host ?? '']
  for (const [name, value] of request.headers) fields.push(name.toLowerCase(), value)
  const stream = session.request(fields, { endStream: request.body === undefined })
  if (request.body !== undefined) stream.end(request.body)
  return await new Promise((resolve) => {
    let headers: (readonly [string, string])[] = []
    let status = 0
    let body = ''
    stream.setEncoding('latin1')
    stream.on('response', (received) => {
      status = Number(received[':status'])
      headers = Object.entries(received).flatMap(([name, value]) =>
        name.startsWith(':') ? [] : (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)] as const),
      )
    })
    stream.on('data', (piece: string) => {
      body += piece
    })
    stream.on('error', () => undefined)
    stream.on('close', () => {
      session.destroy()
      resolve({ status, headers: normaliseHeaders(headers), body: stream.rstCode === 0 ? body : `${body} (reset)` })
    })
  })
}

function comparable({ answers, upstream }: Observation, { ignore, ignoreUpstream, statusOnly }: CaseRequest): unknown {
  const without = (headers: Readonly<Record<string, string>>, names: readonly string[]): unknown =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
  return {
    answers: answers.map((answer) => (statusOnly ? answer.status : { ...answer, headers: without(answer.headers, ignore) })),
    upstream: upstream.map((seen) => ({ ...seen, headers: without(seen.headers, ignoreUpstream) })),
  }
}
