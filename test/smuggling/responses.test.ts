// What an application says is read once: the client sees what responses.ts allows, and whatever it left on the connection never becomes
// somebody else's answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { splitAnswers } from '../differential/answers.ts'
import { startLateen } from '../differential/lateen.ts'
import { freePorts } from '../harness/ports.ts'
import { proxyBootstrap } from './bootstrap.ts'
import { octets } from './requests.ts'
import { RESPONSE_ROWS, type ResponseRow } from './responses.ts'

const SECOND = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond'

describe('one answer', () => {
  const stops: (() => Promise<void>)[] = []
  const sockets = new Set<net.Socket>()
  let port = 0

  before(async () => {
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
    const upstream = typeof address === 'object' && address !== null ? address.port : 0
    const [admin = 0, listener = 0] = await freePorts(2)
    port = listener
    stops.push(await startLateen(proxyBootstrap(admin, [listener], [upstream]), admin))
    stops.push(async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    })
  })

  after(async () => {
    for (const stop of stops) await stop()
  })

  for (const [index, row] of RESPONSE_ROWS.entries()) {
    test(`${row.name} (${row.why})`, async () => {
      const method = row.method ?? 'GET'
      // An early answer comes while the body is on its way.
      const body = method === 'POST' ? 'Content-Length: 100\r\n\r\nhalf' : '\r\n'
      const client = await connect(port)
      const first = await ask(client, `${method} /row/${index} HTTP/1.1\r\nHost: app\r\n${body}`, method, row.client.length)
      assertSees(first, row)
      // On the same connection, where it is still open and the request was whole.
      if (!client.ended() && method !== 'POST')
        assert.equal((await ask(client, second, 'GET', 1))[0]?.body, 'second', 'on the same connection')
      client.socket.destroy()
      for (let count = 0; count < 2; count++) {
        const other = await connect(port)
        assert.equal((await ask(other, second, 'GET', 1))[0]?.body, 'second', 'on another connection')
        other.socket.destroy()
      }
    })
  }
})

const second = 'GET /second HTTP/1.1\r\nHost: app\r\n\r\n'

function assertSees(answers: Awaited<ReturnType<typeof ask>>, row: ResponseRow): void {
  const seen = answers.map(({ status, complete }) => (complete ? status : 0))
  assert.deepEqual(seen.length === 0 ? [0] : seen, row.client, JSON.stringify(answers).slice(0, 400))
  const last = answers.at(-1)
  if (row.body !== undefined) assert.equal(last?.body, row.body)
  const { hidden } = row
  if (hidden !== undefined) assert.ok(!last?.fields.some(([name]) => name.toLowerCase() === hidden), `${hidden} is seen`)
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

/** The answers to one request: until the wanted number is whole, or the proxy ends the connection. */
async function ask(
  { socket, heard, ended }: Client,
  text: string,
  method: string,
  wanted: number,
): Promise<ReturnType<typeof splitAnswers>> {
  const from = heard().length
  const answers = (): ReturnType<typeof splitAnswers> => splitAnswers(heard().slice(from), [method])
  const whole = new Promise<void>((resolve) => {
    socket.on('data', () => {
      const now = answers()
      if (now.length >= wanted && now.every(({ complete }) => complete)) resolve()
    })
    socket.on('end', resolve)
    socket.on('close', () => resolve())
  })
  socket.write(text, 'latin1')
  if (!ended()) await whole
  return answers()
}
