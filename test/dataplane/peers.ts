// The proxy's neighbours in tests: a data plane under test, a client and an upstream that speak octets, not HTTP objects, so that a test
// can be as wrong as the world is. Everything is closed with the test.
import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { LocalSecretStore } from '../../src/proxy/certs/local-secret-store.ts'
import type { ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
import type { DataPlaneOptions } from '../../src/proxy/data-plane.ts'
import { LocalDataPlane } from '../../src/proxy/local-data-plane.ts'
import type { Outcome } from '../../src/proxy/telemetry/outcome.ts'

export interface ProxyUnderTest {
  readonly plane: LocalDataPlane
  readonly port: number
  readonly secrets: LocalSecretStore
  /** Copies: an outcome is valid only while it is being recorded. */
  readonly http: Outcome[]
  readonly tcp: Outcome[]
  /** Resolves when that many outcomes have been recorded. */
  recorded(count: number): Promise<void>
}

export const SELF = {
  workload: 'productpage-v1',
  namespace: 'default',
  app: 'productpage',
  version: 'v1',
  canonicalName: 'productpage',
  canonicalRevision: 'v1',
  cluster: 'Kubernetes',
}

export async function startProxy(t: TestContext, config: ProxyConfig, options: Partial<DataPlaneOptions> = {}): Promise<ProxyUnderTest> {
  const http: Outcome[] = []
  const tcp: Outcome[] = []
  const waiting: { count: number; done: () => void }[] = []
  const note = (list: Outcome[], outcome: Outcome): void => {
    list.push({ ...outcome })
    for (const each of waiting) if (http.length + tcp.length >= each.count) each.done()
  }
  const secrets = new LocalSecretStore(systemClock, silentLogger)
  const plane = new LocalDataPlane({
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    secrets,
    recorder: { recordHttp: (outcome) => note(http, outcome), recordTcp: (outcome) => note(tcp, outcome) },
    self: SELF,
    maxDownstreamConnections: undefined,
    originalDestination: undefined,
    ...options,
  })
  t.after(() => plane.close())
  const problems = await plane.apply(config)
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const recorded = (count: number): Promise<void> =>
    new Promise((resolve) => (http.length + tcp.length >= count ? resolve() : waiting.push({ count, done: resolve })))
  return { plane, port: plane.portOf('main') ?? 0, secrets, http, tcp, recorded }
}

/** A connection whose octets a test reads by what it waits for. */
export class RawPeer {
  readonly socket: net.Socket
  text = ''
  ended = false
  closed = false
  readonly #waiting = new Set<() => void>()

  constructor(socket: net.Socket) {
    this.socket = socket
    const changed = (): void => {
      for (const check of [...this.#waiting]) check()
    }
    socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
      changed()
    })
    socket.on('end', () => {
      this.ended = true
      changed()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      changed()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Resolves when the text so far satisfies the condition; rejects when the connection closes before. */
  until(condition: string | ((text: string) => boolean)): Promise<string> {
    const holds = typeof condition === 'string' ? (text: string) => text.includes(condition) : condition
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (holds(this.text)) resolve(this.text)
        else if (this.closed || this.ended)
          reject(new Error(`closed before ${String(condition)}; got ${JSON.stringify(this.text.slice(0, 2000))}`))
        else return
        this.#waiting.delete(check)
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Everything until the other side has ended. */
  untilEnd(): Promise<string> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.ended && !this.closed) return
        this.#waiting.delete(check)
        resolve(this.text)
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Takes what has come so far. */
  take(): string {
    const { text } = this
    this.text = ''
    return text
  }
}

export async function connect(t: TestContext, port: number): Promise<RawPeer> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawPeer(socket)
}

export interface RawUpstream {
  readonly port: number
  readonly connections: RawPeer[]
  /** The next connection that has not been handed out. */
  accept(): Promise<RawPeer>
  close(): void
}

/** @param answer called with each connection; undefined leaves everything to the test. */
export async function startUpstream(t: TestContext, answer?: (peer: RawPeer) => void, port = 0): Promise<RawUpstream> {
  const connections: RawPeer[] = []
  let handedOut = 0
  const waiting: (() => void)[] = []
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new RawPeer(socket)
    connections.push(peer)
    answer?.(peer)
    waiting.shift()?.()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const peer of connections) peer.socket.destroy()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections,
    accept: async () => {
      const index = handedOut++
      while (connections[index] === undefined) await new Promise<void>((resolve) => waiting.push(resolve))
      return connections[index]
    },
    close: () => server.close(),
  }
}

/** Answers every request head with this text. */
export function always(text: string): (peer: RawPeer) => void {
  return (peer) =>
    peer.socket.on('data', () => {
      while (peer.text.includes('\r\n\r\n')) {
        requestsOf(peer).push(peer.text.slice(0, peer.text.indexOf('\r\n\r\n') + 4))
        peer.text = peer.text.slice(peer.text.indexOf('\r\n\r\n') + 4)
        peer.send(text)
      }
    })
}

const REQUESTS = new WeakMap<RawPeer, string[]>()

/** Heads that `always` has answered on this connection. */
export function requestsOf(peer: RawPeer): string[] {
  const known = REQUESTS.get(peer) ?? []
  REQUESTS.set(peer, known)
  return known
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
export const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
