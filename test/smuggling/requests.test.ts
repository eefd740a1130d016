// Never two readings of one byte stream: what each backend says that it read is what our proxy said to it, request for request and octet
// for octet of the body; nothing more is ever read, whatever was sent. The corpus is requests.ts.
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startLateen } from '../differential/lateen.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { assertOnlyThese, type Backend, readMessages, startHaproxy, startNginx, startNode, startPython } from './backends.ts'
import { proxyBootstrap } from './bootstrap.ts'
import { octets, REQUEST_ROWS, type RequestRow } from './requests.ts'
import { startTap, type Tap } from './tap.ts'

interface Lane {
  readonly backend: Backend
  readonly tap: Tap
  readonly port: number
}

describe('one reading', () => {
  const lanes: Lane[] = []
  const stops: (() => Promise<void>)[] = []

  before(async () => {
    const backends = await Promise.all([startNode(), startNginx(), startHaproxy(), startPython()])
    const taps = await Promise.all(backends.map(({ port }) => startTap(port)))
    const [admin = 0, ...ports] = await freePorts(1 + backends.length)
    stops.push(
      await startLateen(
        proxyBootstrap(
          admin,
          ports,
          taps.map(({ port }) => port),
        ),
        admin,
      ),
    )
    stops.push(...taps.map((tap) => () => tap.stop()), ...backends.map((backend) => () => backend.stop()))
    for (const [index, backend] of backends.entries()) {
      const [tap, port] = [taps[index], ports[index]]
      if (tap !== undefined && port !== undefined) lanes.push({ backend, tap, port })
    }
  })

  after(async () => {
    for (const stop of stops) await stop()
  })

  for (const row of REQUEST_ROWS) {
    test(`${row.name} (${row.why})`, async () => {
      assert.equal(lanes.length, 4)
      await Promise.all(lanes.map((lane) => askOne(lane, row)))
    })
  }
})

let asked = 0

async function askOne({ backend, tap, port }: Lane, row: RequestRow): Promise<void> {
  const readBefore = backend.readings.length
  const saidBefore = tap.said().map((text) => text.length)
  const answer = await converse(port, octets(row.text))
  // Whatever the row left behind on a connection to the backend, the next request would meet it.
  const sentinel = `/sentinel-${asked++}`
  const next = await converse(port, `GET ${sentinel} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n`)
  assert.match(next, /^HTTP\/1\.1 200 .*ok$/s, `${backend.name}: the request behind it got another's answer`)
  const isRead = (): boolean => backend.readings.slice(readBefore).some(({ target }) => target === sentinel)
  await waitFor(isRead, { what: `${backend.name} to say what it read` })

  const said = tap.said().flatMap((text, index) => readMessages(text.slice(saidBefore[index] ?? 0)).messages)
  const read = backend.readings.slice(readBefore)
  const ours = said.filter(({ target }) => target !== sentinel)
  assert.equal(ours.length, row.forwards, `${backend.name}: requests that our proxy sent on: ${JSON.stringify(ours)}`)
  assertOnlyThese(read, said, backend.name)
  if (row.status !== undefined) assert.equal(statusOf(answer), row.status, `${backend.name}: ${answer.slice(0, 200)}`)
  if (row.body !== undefined) assert.equal(ours[0]?.body, row.body, backend.name)
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0)
}

/** Says everything at once, ends its side, and hears the proxy out. */
function converse(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    // The proxy may have ended the connection before it was said in full.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(answer))
    socket.end(text, 'latin1')
  })
}
