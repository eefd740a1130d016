// The application behind generated cases: answers as `x-answer` asks and says in `x-echo` what it got, to the byte of the head, so that
// cases can run at once and need no common notebook. Invariant: what it says depends on the request alone.
import { once } from 'node:events'
import net from 'node:net'
import { takeMessage } from '../upstream.ts'

/** Status line and fields of an answer, and its body as it goes out; the framing is the answer's own. */
interface Form {
  readonly head: string
  readonly body: string
  readonly closes?: boolean
}

const sized = (head: string, body: string): Form => ({ head: `${head}content-length: ${body.length}\r\n`, body })
const OK = 'HTTP/1.1 200 OK\r\n'

export const ANSWERS: Readonly<Record<string, Form>> = {
  plain: sized(`${OK}server: upstream\r\ncontent-type: text/plain\r\n`, 'hello'),
  empty: sized(OK, ''),
  chunked: { head: `${OK}transfer-encoding: chunked\r\n`, body: '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n' },
  'until-close': { head: `${OK}connection: close\r\n`, body: 'until the end', closes: true },
  'http-1.0': { head: 'HTTP/1.0 200 OK\r\n', body: 'old', closes: true },
  'no-content': { head: 'HTTP/1.1 204 No Content\r\nx-out: v1\r\n', body: '' },
  'not-modified': { head: 'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n', body: '' },
  missing: sized('HTTP/1.1 404 Not Here\r\nserver: upstream\r\n', 'no'),
  broken: sized('HTTP/1.1 503 Sorry\r\nretry-after: 1\r\n', 'down'),
  moved: sized('HTTP/1.1 302 Found\r\nlocation: http://one.test/x\r\n', ''),
  cookies: sized(`${OK}set-cookie: a=1\r\nset-cookie: b=2\r\nX-Out: Theirs\r\n`, 'c'),
  dated: sized(`${OK}date: Sun, 06 Nov 1994 08:49:37 GMT\r\nvia: 1.1 app\r\n`, 'd'),
  claims: sized(`${OK}x-envoy-upstream-service-time: 999\r\nx-envoy-attempt-count: 9\r\nx-request-id: app\r\n`, 'e'),
  'kept-alive': sized(`${OK}connection: keep-alive\r\nkeep-alive: timeout=5\r\n`, 'f'),
  closing: { ...sized(`${OK}connection: close\r\n`, 'g'), closes: true },
}

const PLAIN: Form = ANSWERS.plain ?? { head: OK, body: '' }

export class EchoUpstream {
  readonly #name: string
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  constructor(name: string) {
    this.#name = name
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#serve(socket))
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let buffer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      buffer += chunk
      for (let message = takeMessage(buffer); message !== undefined; message = takeMessage(buffer)) {
        buffer = message.rest
        const { requestLine, headers, body } = message
        const asked = headers.find(([name]) => name.toLowerCase() === 'x-answer')?.[1] ?? 'plain'
        const form = ANSWERS[asked] ?? PLAIN
        const echo = Buffer.from(JSON.stringify({ upstream: this.#name, requestLine, headers, body }), 'latin1').toString('base64')
        socket.write(`${form.head}x-echo: ${echo}\r\n\r\n${requestLine.startsWith('HEAD ') ? '' : form.body}`, 'latin1')
        if (form.closes === true) socket.end()
      }
    })
  }
}
