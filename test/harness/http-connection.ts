// One client connection that a test holds in its hand: to see that it is the same one before and after, and to ask over any kind of socket.
import { once } from 'node:events'
import net from 'node:net'
import type { HostPort } from '../../src/model/address-plan.ts'

export interface Answer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export class HttpConnection {
  readonly #socket: net.Socket
  #buffer = ''
  #failure: Error | undefined
  #changed: () => void = () => undefined

  /** @param socket connected, plain or TLS. */
  constructor(socket: net.Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#buffer += chunk
      this.#changed()
    })
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the connection was closed')))
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  async post(path: string, body = 'amount=10'): Promise<Answer> {
    this.#socket.write(`POST ${path} HTTP/1.1\r\nhost: echo:8080\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    for (;;) {
      const answer = this.#take()
      if (answer !== undefined) return answer
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #end(error: Error): void {
    this.#failure ??= error
    this.#changed()
  }

  /** Answers of the proxy and of the echo application carry Content-Length; one without has no body here. */
  #take(): Answer | undefined {
    const headEnd = this.#buffer.indexOf('\r\n\r\n')
    if (headEnd < 0) return undefined
    const [first = '', ...lines] = this.#buffer.slice(0, headEnd).split('\r\n')
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const end = headEnd + 4 + Number(headers.get('content-length') ?? 0)
    if (this.#buffer.length < end) return undefined
    const body = this.#buffer.slice(headEnd + 4, end)
    this.#buffer = this.#buffer.slice(end)
    return { status: Number(first.split(' ')[1]), headers, body }
  }
}

export async function connectHttp(to: HostPort): Promise<HttpConnection> {
  const socket = net.connect({ ...to, noDelay: true })
  await once(socket, 'connect')
  return new HttpConnection(socket)
}

/** One POST on a connection of its own. */
export async function postOnce(to: HostPort, path: string): Promise<Answer> {
  const connection = await connectHttp(to)
  try {
    return await connection.post(path)
  } finally {
    connection.close()
  }
}
