// Never two readings of one HTTP/2 stream: what each backend read is what our proxy said to it, whatever the stream carried, and a stream
// that is malformed ends alone: the next on the same connection gets its own answer. The corpus is http2-requests.ts.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startLateen } from '../differential/lateen.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import {
  assertOnlyThese,
  type Backend,
  type Reading,
  readMessages,
  startHaproxy,
  startNginx,
  startNode,
  startNodeHttp2,
  startPython,
} from './backends.ts'
import { proxyBootstrap } from './bootstrap.ts'
import { Http2Client, type StreamEnd } from './http2-client.ts'
import { HTTP2_ROWS, type Http2Row } from './http2-requests.ts'
import { startTap, type Tap } from './tap.ts'

interface Lane {
  readonly backend: Backend
  /** Undefined: the backend speaks HTTP/2, and what was said is no text. */
  readonly tap: Tap | undefined
  readonly port: number
}

describe('one reading of a stream', () => {
  const lanes: Lane[] = []
  const stops: (() => Promise<void>)[] = []

  before(async () => {
    const http2Backend = await startNodeHttp2()
    const backends = await Promise.all([startNode(), startNginx(), startHaproxy(), startPython()])
    const taps = await Promise.all(backends.map(({ port }) => startTap(port)))
    const upstreams = [...taps.map(({ port }) => port), http2Backend.port]
    const [admin = 0, ...ports] = await freePorts(1 + upstreams.length)
    stops.push(await startLateen(proxyBootstrap(admin, ports, upstreams, [http2Backend.port]), admin))
    stops.push(...taps.map((tap) => () => tap.stop()), ...[...backends, http2Backend].map((backend) => () => backend.stop()))
    for (const [index, backend] of [...backends, http2Backend].entries()) lanes.push({ backend, tap: taps[index], port: ports[index] ?? 0 })
  })

  after(async () => {
    for (const stop of stops) await stop()
  })

  for (const row of HTTP2_ROWS) {
    test(`${printable(row.name)} (${row.why})`, async () => {
      assert.equal(lanes.length, 5)
      await Promise.all(lanes.map((lane) => askOne(lane, row)))
    })
  }
})

let asked = 0

async function askOne({ backend, tap, port }: Lane, row: Http2Row): Promise<void> {
  const readBefore = backend.readings.length
  const saidBefore = tap?.said().map((text) => text.length) ?? []
  const client = await Http2Client.connect(port)
  const end = await client.send(row)
  const sentinel = `/sentinel-${asked++}`
  const next = await client.send({ fields: sentinelFields(sentinel), data: [], trailers: undefined })
  assert.deepEqual(next, { status: 200, body: 'ok', reset: false }, `${backend.name}: the stream behind it`)
  client.close()
  await waitFor(() => backend.readings.slice(readBefore).some(({ target }) => target === sentinel), {
    what: `${backend.name} to say what it read`,
  })

  const read = backend.readings.slice(readBefore)
  const said = tap === undefined ? read : tap.said().flatMap((text, index) => readMessages(text.slice(saidBefore[index] ?? 0)).messages)
  assertOnlyThese(read, said, backend.name)
  assertRow(
    row,
    end,
    said.filter(({ target }) => target !== sentinel),
    backend.name,
  )
}

function assertRow(row: Http2Row, end: StreamEnd, ours: readonly Reading[], name: string): void {
  const told = `${name}: requests that our proxy sent on: ${JSON.stringify(ours)}`
  if (row.forwards === 'at most one') assert.ok(ours.length <= 1, told)
  else assert.equal(ours.length, row.forwards, told)
  if (row.ends === 'reset') assert.deepEqual(end, { status: 0, body: '', reset: true }, name)
  else if (row.ends !== undefined && row.ends !== 200) assert.equal(end.status, row.ends, `${name}: ${JSON.stringify(end)}`)
  else if (row.ends === 200) assert.equal(end.reset, false, name)
  if (row.body !== undefined && ours.length > 0) assert.equal(ours[0]?.body, row.body, name)
}

function sentinelFields(path: string): readonly (readonly [string, string])[] {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'app'],
    [':path', path],
  ]
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}
