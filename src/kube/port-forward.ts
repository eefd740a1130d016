// One connection to a port inside a pod, through the API server (`pods/portforward`): it reaches what listens on the pod's loopback and
// nowhere else, so that the right to do this is the authentication. Used by the CLI.
// Protocol: a WebSocket (RFC 6455) with the subprotocol v4.channel.k8s.io: the first byte of a message is its channel, 0 for data and 1 for
// errors; the first message of each channel is the port's number. A connection cannot be half closed.
// Invariant: the connection and the WebSocket's socket end together.
import { createHash, randomBytes } from 'node:crypto'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { errorMessage, LateenError } from '../base/errors.ts'
import type { KubeConnection, KubeCredentials } from './connection.ts'
import { failed, failureOf, failureOfAnswer, type KubeResult } from './failure.ts'
import { FrameReader, OPCODE, writeFrame } from './web-socket-frames.ts'

export interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

const SUBPROTOCOL = 'v4.channel.k8s.io'
/** RFC 6455, 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const TIMEOUT_MS = 10_000
const MAX_REFUSAL_BYTES = 64 * 1024

export async function openPodPort(
  connection: KubeConnection,
  { namespace, pod, port }: PodPort,
  clock: Clock,
): Promise<KubeResult<Duplex>> {
  const what = `connect to port ${port} of Pod ${namespace}/${pod}`
  let credentials: KubeCredentials
  try {
    credentials = await connection.credentials(false)
  } catch (error) {
    return failed(failureOf(what, 0, 'Credentials', `no credentials from ${connection.source}: ${errorMessage(error)}`))
  }
  const key = randomBytes(16).toString('base64')
  const { server } = connection
  const base = server.pathname === '/' ? '' : server.pathname.replace(/\/$/, '')
  const path = `${base}/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward?ports=${port}`
  const headers = {
    ...credentials.headers,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': SUBPROTOCOL,
  }
  const request = (server.protocol === 'https:' ? https : http).request(server, { ...tlsOf(credentials), method: 'GET', path, headers })
  return new Promise((resolve) => {
    const settle = (result: KubeResult<Duplex>): void => {
      timer.cancel()
      resolve(result)
    }
    const timer = clock.after(TIMEOUT_MS, () => {
      settle(failed(failureOf(what, 0, 'Timeout', `${server.origin} did not answer within ${TIMEOUT_MS} ms`)))
      request.destroy()
    })
    request.on('error', (error) => settle(failed(failureOf(what, 0, 'Unreachable', `${server.origin}: ${error.message}`))))
    request.on('response', (response) => {
      readRefusal(response).then(
        (text) => settle(failed(failureOfAnswer(what, response.statusCode ?? 0, text))),
        (error: unknown) => settle(failed(failureOf(what, response.statusCode ?? 0, 'Unreachable', errorMessage(error)))),
      )
    })
    request.on('upgrade', (response, socket, head) => {
      const accepted = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64')
      if (response.headers['sec-websocket-accept'] !== accepted || response.headers['sec-websocket-protocol'] !== SUBPROTOCOL) {
        socket.destroy()
        settle(failed(failureOf(what, 101, 'Malformed', `the API server does not speak ${SUBPROTOCOL}`)))
        return
      }
      settle({ ok: true, value: new PodConnection(socket, head) })
    })
    request.end()
  })
}

function tlsOf({ ca, certificate, key, serverName, insecure, agent }: KubeCredentials): RequestOptions & https.RequestOptions {
  return {
    agent: agent ?? false,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  }
}

async function readRefusal(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    text += String(chunk)
    if (text.length > MAX_REFUSAL_BYTES) break
  }
  response.destroy()
  return text
}

class PodConnection extends Duplex {
  readonly #socket: Duplex
  readonly #frames = new FrameReader()
  /** A message may come in several frames. */
  #fragments: Buffer[] = []
  readonly #portIsRead = [false, false]

  constructor(socket: Duplex, head: Buffer) {
    super()
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => {
      this.push(null)
      this.destroy()
    })
    // Nothing is read before somebody listens: what is said first may be an error.
    socket.pause()
    if (head.length > 0) socket.unshift(head)
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(writeFrame(OPCODE.binary, Buffer.concat([Buffer.from([0]), chunk])), done)
  }

  override _final(done: () => void): void {
    // Not told to the other side: it would take it as the end of both directions.
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  #take(bytes: Buffer): void {
    const read = this.#frames.read(bytes)
    if (!read.ok) {
      this.destroy(new LateenError('PORT_FORWARD', read.problems[0]?.message ?? 'the frame cannot be read'))
      return
    }
    for (const { opcode, isLast, payload } of read.value) {
      if (opcode === OPCODE.close) this.push(null)
      else if (opcode === OPCODE.ping) this.#socket.write(writeFrame(OPCODE.pong, payload))
      else if (opcode <= OPCODE.binary) {
        this.#fragments.push(payload)
        if (isLast) this.#message(Buffer.concat(this.#fragments.splice(0)))
      }
    }
  }

  #message(message: Buffer): void {
    const channel = message[0] ?? 0
    const isFirst = this.#portIsRead[channel] === false
    if (isFirst) this.#portIsRead[channel] = true
    const content = message.subarray(isFirst ? 3 : 1)
    if (content.length === 0) return
    if (channel === 1) this.destroy(new LateenError('PORT_FORWARD', content.toString()))
    else if (!this.push(content)) this.#socket.pause()
  }
}
