// A load generator that accounts for every request. Closed loop (each connection sends as soon as it is answered) or open loop (a
// fixed rate whatever the answers do, latency from the intended time, so that a stall is not hidden by waiting politely).
// No retries: a connection that breaks is one failed request and a new connection. Bounded in time and count by its plan.
import net from 'node:net'

export interface LoadPlan {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Requests per second of an open loop; undefined: closed loop. */
  readonly ratePerSecond?: number
  readonly durationMs: number
  /** A closed loop ends after so many, when that comes before the end of its time. */
  readonly requests?: number
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Response header whose values are counted, for example which version answered. */
  readonly countHeader?: string
}

export interface LoadReport {
  /** Every request of which at least one byte was written. */
  readonly sent: number
  readonly statuses: Readonly<Record<string, number>>
  /** Sent, and the connection ended before a whole response: by reason. */
  readonly broken: Readonly<Record<string, number>>
  /** Intended by the rate, never sent because all connections were busy until the end. */
  readonly unsent: number
  readonly counted: Readonly<Record<string, number>>
  readonly elapsedMs: number
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number }
  /** The first answers that were not 200, for the reader of a failed run. */
  readonly samples: readonly string[]
}

const DRAIN_MS = 10_000
const TICK_MS = 2

export async function runLoad(plan: LoadPlan): Promise<LoadReport> {
  const run = new LoadRun(plan)
  return run.result
}

class LoadRun {
  readonly result: Promise<LoadReport>
  readonly #plan: LoadPlan
  readonly #message: Buffer
  readonly #startedAt = performance.now()
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly #due: number[] = []
  readonly #latencies: number[] = []
  readonly #statuses: Record<string, number> = {}
  readonly #broken: Record<string, number> = {}
  readonly #counted: Record<string, number> = {}
  readonly #samples: string[] = []
  #sent = 0
  #inFlight = 0
  #issued = 0
  #stopping = false
  #finish: (report: LoadReport) => void = () => undefined
  #pacer: NodeJS.Timeout | undefined

  constructor(plan: LoadPlan) {
    this.#plan = plan
    const body = plan.body ?? ''
    const length = plan.method === 'POST' ? `content-length: ${Buffer.byteLength(body)}\r\n` : ''
    const fields = Object.entries(plan.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#message = Buffer.from(`${plan.method} ${plan.path} HTTP/1.1\r\n${fields.join('')}${length}\r\n${body}`)
    this.result = new Promise((resolve) => {
      this.#finish = resolve
    })
    if (plan.ratePerSecond === undefined)
      for (let i = 0; i < plan.connections; i++) this.#connect((connection) => this.#send(connection, performance.now()))
    else this.#pacer = setInterval(() => this.#pace(), TICK_MS)
    setTimeout(() => this.#stop(), plan.durationMs)
  }

  /** Adds what is due by now; a late tick catches up, with the intended times. */
  #pace(): void {
    const rate = this.#plan.ratePerSecond ?? 0
    const dueByNow = Math.floor(((performance.now() - this.#startedAt) * rate) / 1000)
    while (this.#issued < dueByNow) this.#due.push(this.#startedAt + (this.#issued++ * 1000) / rate)
    this.#dispatch()
  }

  #dispatch(): void {
    while (this.#due.length > 0) {
      const connection = this.#idle.pop()
      if (connection === undefined) {
        // Open what is missing; those now connecting will take the oldest due requests.
        if (this.#all.size < this.#plan.connections) this.#connect((fresh) => this.#takeNext(fresh))
        return
      }
      this.#takeNext(connection)
    }
  }

  #takeNext(connection: Connection): void {
    const intendedAt = this.#due.shift()
    if (intendedAt === undefined) this.#idle.push(connection)
    else this.#send(connection, intendedAt)
  }

  #connect(ready: (connection: Connection) => void): void {
    const socket = net.connect({ host: this.#plan.host, port: this.#plan.port, noDelay: true })
    const connection = new Connection(socket, 'connect', {
      ready,
      answered: (answer) => this.#answered(connection, answer),
      ended: (reason, mid) => this.#ended(connection, reason, mid),
    })
    this.#all.add(connection)
  }

  #send(connection: Connection, intendedAt: number): void {
    if (this.#stopping) return
    this.#sent++
    this.#inFlight++
    connection.send(this.#message, intendedAt)
    if (this.#sent === this.#plan.requests) this.#stop()
  }

  #answered(connection: Connection, { status, head, body, intendedAt }: WholeAnswer): void {
    this.#inFlight--
    this.#latencies.push(performance.now() - intendedAt)
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
    if (status !== 200 && this.#samples.length < 5) this.#samples.push(`${head}\r\n\r\n${body.slice(0, 300)}`)
    if (this.#plan.countHeader !== undefined) {
      const value = new RegExp(`\\r\\n${this.#plan.countHeader}: *([^\\r]*)`, 'i').exec(head)?.[1] ?? '(none)'
      this.#counted[value] = (this.#counted[value] ?? 0) + 1
    }
    if (/\r\nconnection: *close/i.test(head)) connection.close()
    else if (this.#stopping) connection.close()
    else if (this.#plan.ratePerSecond === undefined) return this.#send(connection, performance.now())
    else return this.#takeNext(connection)
    this.#all.delete(connection)
    this.#replaceOrEnd()
  }

  #ended(connection: Connection, reason: string, midRequest: boolean): void {
    if (!this.#all.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    if (midRequest) {
      this.#inFlight--
      this.#broken[reason] = (this.#broken[reason] ?? 0) + 1
    }
    this.#replaceOrEnd()
  }

  #replaceOrEnd(): void {
    if (this.#stopping) this.#endIfDone()
    else if (this.#plan.ratePerSecond === undefined) this.#connect((fresh) => this.#send(fresh, performance.now()))
    else this.#dispatch()
  }

  #stop(): void {
    this.#stopping = true
    clearInterval(this.#pacer)
    for (const connection of this.#idle.splice(0)) connection.close()
    setTimeout(() => {
      for (const connection of this.#all) connection.giveUp('no answer')
    }, DRAIN_MS).unref()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#inFlight > 0) return
    for (const connection of this.#all) connection.close()
    const sorted = this.#latencies.sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    this.#finish({
      sent: this.#sent,
      statuses: this.#statuses,
      broken: this.#broken,
      unsent: this.#due.length,
      counted: this.#counted,
      elapsedMs: performance.now() - this.#startedAt,
      latencyMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) ?? 0 },
      samples: this.#samples,
    })
  }
}

export interface WholeAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
  readonly intendedAt: number
}

interface ConnectionEvents {
  readonly ready: (connection: Connection) => void
  readonly answered: (answer: WholeAnswer) => void
  readonly ended: (reason: string, midRequest: boolean) => void
}

/** One keep-alive connection, one request at a time. Understands Content-Length and chunked responses. */
export class Connection {
  readonly #socket: net.Socket
  readonly #events: ConnectionEvents
  #intendedAt: number | undefined
  #buffer = ''
  #ended = false

  /** @param open the event that says that requests may be sent. */
  constructor(socket: net.Socket, open: 'connect' | 'secureConnect', events: ConnectionEvents) {
    this.#events = events
    this.#socket = socket
    socket.once(open, () => events.ready(this))
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#read(chunk))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.giveUp(error.code ?? error.message))
    this.#socket.on('close', () => this.giveUp('closed'))
  }

  send(message: Buffer, intendedAt: number): void {
    this.#intendedAt = intendedAt
    this.#socket.write(message)
  }

  close(): void {
    this.#ended = true
    this.#socket.destroy()
  }

  giveUp(reason: string): void {
    if (this.#ended) return
    this.close()
    this.#events.ended(reason, this.#intendedAt !== undefined)
  }

  #read(chunk: string): void {
    this.#buffer = this.#buffer === '' ? chunk : this.#buffer + chunk
    const headEnd = this.#buffer.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#buffer.slice(0, headEnd)
    const total = messageLength(this.#buffer, head, headEnd + 4)
    if (total === undefined || this.#buffer.length < total) return
    const body = this.#buffer.slice(headEnd + 4, total)
    this.#buffer = this.#buffer.slice(total)
    const intendedAt = this.#intendedAt
    if (intendedAt === undefined) return this.giveUp('unexpected response')
    this.#intendedAt = undefined
    this.#events.answered({ status: Number(head.slice(9, 12)), head, body, intendedAt })
  }
}

/** Length of the whole response in bytes, or undefined while it cannot be known. */
function messageLength(buffer: string, head: string, bodyStart: number): number | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return bodyStart + Number(length)
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return bodyStart
  const last = buffer.indexOf('\r\n0\r\n\r\n', bodyStart - 2)
  return last < 0 ? undefined : last + 7
}
