// The application behind both proxies: says what it saw, to the byte of the head, and answers as the path asks
// (/status/503, /reset, /slow/MS, /first/503 for the first attempt only, /say/NAME for the answers of scripted-answers.ts;
// anything else: 200). Invariant: what it answers depends on the request alone, so that both proxies meet the same application.
import { once } from 'node:events'
import net from 'node:net'
import { takeChunks } from './answers.ts'
import { SCRIPTED_ANSWERS } from './scripted-answers.ts'

export interface Seen {
  readonly upstream: string
  readonly requestLine: string
  /** As on the wire, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export class Upstream {
  readonly name: string
  readonly seen: Seen[] = []
  /** Called whenever something has come from a proxy, whole or not. */
  onOctets: (() => void) | undefined
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  constructor(name: string) {
    this.name = name
    this.#server = net.createServer((socket) => this.#serve(socket))
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
    let upgraded = false
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.onOctets?.()
      if (upgraded) return void socket.write(`echo:${chunk}`)
      buffer += chunk
      if (/\r\nexpect: *100-continue\r\n/i.test(buffer) && buffer.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      for (;;) {
        const message = takeMessage(buffer)
        if (message === undefined) return
        buffer = message.rest
        this.seen.push({ upstream: this.name, requestLine: message.requestLine, headers: message.headers, body: message.body })
        upgraded = message.requestLine.startsWith('GET /upgrade/')
        this.#answer(socket, message)
      }
    })
  }

  #answer(socket: net.Socket, { requestLine, headers }: Message): void {
    const path = requestLine.split(' ')[1] ?? ''
    const slowMs = /\/slow\/(\d+)/.exec(path)?.[1]
    if (slowMs !== undefined) {
      const timer = setTimeout(() => this.#say(socket, requestLine, path), Number(slowMs))
      return void socket.on('close', () => clearTimeout(timer))
    }
    const attempt = headers.find(([name]) => name.toLowerCase() === 'x-envoy-attempt-count')?.[1] ?? '1'
    const first = /\/first\/(\w+)/.exec(path)?.[1]
    if (first === undefined) this.#say(socket, requestLine, path)
    else this.#say(socket, requestLine, attempt !== '1' ? '/' : first === 'reset' ? '/reset' : `/status/${first}`)
  }

  #say(socket: net.Socket, requestLine: string, path: string): void {
    const body = requestLine.startsWith('HEAD ') ? '' : `hello from ${this.name}`
    const common = `x-upstream: ${this.name}\r\nserver: upstream\r\n`
    const status = /\/status\/(\d+)/.exec(path)?.[1]
    const scripted = SCRIPTED_ANSWERS[/\/say\/([\w-]+)/.exec(path)?.[1] ?? '']
    if (scripted !== undefined) {
      socket.write(scripted.text, 'latin1')
      if (scripted.closes) socket.end()
      return
    }
    if (path.includes('/reset')) return void socket.destroy()
    if (path.includes('/chunked'))
      return void socket.write(`HTTP/1.1 200 OK\r\n${common}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`)
    if (path.includes('/close-delimited')) return void socket.end(`HTTP/1.1 200 OK\r\n${common}connection: close\r\n\r\nuntil the end`)
    if (path.includes('/hop'))
      return void socket.write(
        `HTTP/1.1 200 OK\r\n${common}connection: x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nok`,
      )
    if (status === '204' || status === '304') return void socket.write(`HTTP/1.1 ${status} Nothing\r\n${common}\r\n`)
    const length = `content-length: ${Buffer.byteLength(`hello from ${this.name}`)}\r\n`
    socket.write(`HTTP/1.1 ${status ?? '200'} Whatever\r\n${common}${length}content-type: text/plain\r\n\r\n${body}`)
  }
}

export interface Message {
  readonly requestLine: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  readonly rest: string
}

export function takeMessage(buffer: string): Message | undefined {
  const headEnd = buffer.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [requestLine = '', ...lines] = buffer.slice(0, headEnd).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const value = (name: string): string | undefined => headers.find(([each]) => each.toLowerCase() === name)?.[1]
  const start = headEnd + 4
  if (value('transfer-encoding')?.toLowerCase() === 'chunked') {
    const body = takeChunks(buffer.slice(start))
    return body.complete ? { requestLine, headers, body: body.text, rest: body.rest } : undefined
  }
  const length = Number(value('content-length') ?? 0)
  if (buffer.length < start + length) return undefined
  return { requestLine, headers, body: buffer.slice(start, start + length), rest: buffer.slice(start + length) }
}
