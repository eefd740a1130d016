// What an application says is read once: the client sees what responses.ts allows, and whatever it left on the connection never becomes
// somebody else's answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { splitAnswers } from '../differential/answers.ts'
import { startLateen } from '../differential/lateen.ts'
import { findEnvoy, startEnvoy } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { proxyBootstrap } from './bootstrap.ts'
import { octets } from './requests.ts'
import { RESPONSE_ROWS, type ResponseRow, SHOWN_BY_ENVOY } from './responses.ts'

const envoyBinary = findEnvoy()
const withoutEnvoy =
  envoyBinary === undefined && process.env.CI !== 'true' ? "no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY" : false

const ENVOY_SILENCE_MS = 1000
const SECOND = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond'

describe('one answer', () => {
  const stops: (() => Promise<void>)[] = []
  let port = 0
  let envoyPort = 0

  before(async () => {
    const application = await startApplication()
    stops.push(application.stop)
    const [admin = 0, listener = 0, envoyAdmin = 0, envoyListener = 0] = await freePorts(4)
    port = listener
    stops.push(await startLateen(proxyBootstrap(admin, [listener], [application.port]), admin))
    if (envoyBinary === undefined) return
    envoyPort = envoyListener
    const envoy = await startEnvoy(envoyBinary, proxyBootstrap(envoyAdmin, [envoyListener], [application.port]), envoyAdmin)
    stops.push(envoy.stop)
  })

  after(async () => {
    for (const stop of stops) await stop()
  })

  for (const [index, row] of RESPONSE_ROWS.entries()) {
    test(`${row.name} (${row.why})`, async () => {
      const client = await connect(port)
      const first = await ask(client, requestFor(index, row), row.method ?? 'GET')
      assertSees(first, row)
      // On the same connection, where it is still open and the request was whole.
      if (!client.ended() && row.method !== 'POST')
        assert.equal((await ask(client, second, 'GET'))[0]?.body, 'second', 'on the same connection')
      client.socket.destroy()
      for (let count = 0; count < 2; count++) {
        const other = await connect(port)
        assert.equal((await ask(other, second, 'GET'))[0]?.body, 'second', 'on another connection')
        other.socket.destroy()
      }
    })
  }

  // What docs/differences.md says of Envoy is what Envoy does.
  test('where a real Envoy shows the client something else, the row says what', { skip: withoutEnvoy }, async () => {
    const others: string[] = []
    for (const [index, row] of RESPONSE_ROWS.entries()) {
      const client = await connect(envoyPort)
      // Some of these it leaves hanging.
      client.socket.setTimeout(ENVOY_SILENCE_MS, () => client.socket.destroy())
      const seen = statusesOf(await ask(client, requestFor(index, row), row.method ?? 'GET'))
      client.socket.destroy()
      const said = SHOWN_BY_ENVOY[row.name] ?? row.client
      if (seen.join() !== said.join()) others.push(`${row.name}: Envoy ${seen.join()}, the row says ${said.join()}`)
    }
    assert.deepEqual(others, [])
  })
})

/** An early answer comes while the body is on its way. */
function requestFor(index: number, { method = 'GET' }: ResponseRow): string {
  return `${method} /row/${index} HTTP/1.1\r\nHost: app\r\n${method === 'POST' ? 'Content-Length: 100\r\n\r\nhalf' : '\r\n'}`
}

/** Says the row that the path names, to the octet. */
async function startApplication(): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      const target = /^[A-Z]+ \/row\/(\d+) /.exec(chunk)?.[1]
      const row = target === undefined ? undefined : RESPONSE_ROWS[Number(target)]
      // What is left of a body is no request.
      if (row === undefined && !chunk.startsWith('GET /second ')) return
      socket.write(row === undefined ? SECOND : octets(row.text), 'latin1')
      if (row?.closes === true) socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { port: typeof address === 'object' && address !== null ? address.port : 0, stop }
}

const second = 'GET /second HTTP/1.1\r\nHost: app\r\n\r\n'

function assertSees(answers: Awaited<ReturnType<typeof ask>>, row: ResponseRow): void {
  assert.deepEqual(statusesOf(answers), row.client, JSON.stringify(answers).slice(0, 400))
  const last = answers.at(-1)
  if (row.body !== undefined) assert.equal(last?.body, row.body)
  const { hidden } = row
  if (hidden === undefined) return
  const named = answers.flatMap(({ fields }) => fields).map(([name]) => name.toLowerCase())
  assert.ok(!named.includes(hidden), `${hidden} is seen`)
}

function statusesOf(answers: Awaited<ReturnType<typeof ask>>): readonly number[] {
  return answers.length === 0 ? [0] : answers.map(({ status, complete }) => (complete || status === 101 ? status : 0))
}

interface Client {
  readonly socket: net.Socket
  readonly heard: () => string
  readonly ended: () => boolean
}

async function connect(port: number): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let text = ''
  let ended = false
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => socket.destroy())
  for (const event of ['end', 'close'])
    socket.on(event, () => {
      ended = true
    })
  return { socket, heard: () => text, ended: () => ended }
}

/** The answers to one request: until the final one is whole, or the proxy ends the connection. */
async function ask({ socket, heard, ended }: Client, text: string, method: string): Promise<ReturnType<typeof splitAnswers>> {
  const from = heard().length
  const answers = (): ReturnType<typeof splitAnswers> => splitAnswers(heard().slice(from), [method])
  const whole = new Promise<void>((resolve) => {
    socket.on('data', () => {
      const last = answers().at(-1)
      if (last?.status === 101 || (last?.complete === true && last.status >= 200)) resolve()
    })
    socket.on('end', resolve)
    socket.on('close', () => resolve())
  })
  socket.write(text, 'latin1')
  if (!ended()) await whole
  return answers()
}
