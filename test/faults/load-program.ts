// The load of the drills: lanes of requests at a fixed rate, open loop, in one process of its own, steered by load.ts over IPC.
// What is due is sent, however late; a request belongs to the phase in which it was sent, and is answered once or broken once.
// No retries. Lanes share nothing, so that one whose upstream hangs takes no connection from another.
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { Connection } from '../harness/load.ts'
import type { LaneCounts, LanePlan, LoadMessage, LoadOrder, PhaseCounts } from './load.ts'

const TICK_MS = 2
const TELL_MS = 25
/** Once nobody was answered for so long, who still waits is counted as such. */
const DRAIN_MS = 20_000
/** Connections that one tick may try to open: who is refused comes again, and is to be no flood. */
const OPENED_PER_TICK = 4
/** Connections of a lane on which nothing was answered yet: two lanes of them fit in the queue of a listener (511), whose excess the
 *  kernel drops in a way that looks like silence. */
const UNPROVEN = 240
const BODY = 'amount=10'
const FIELDS = { 'content-type': 'text/plain', 'content-length': String(BODY.length) }

/** `status` of a whole answer, or why there is none. */
type Done = (status: number | undefined, failure: string) => void

interface Transport {
  /** Takes a request, or has no room for one now. */
  send(path: string, done: Done): boolean
  tick(): void
}

class Http1Transport implements Transport {
  readonly #plan: LanePlan
  readonly #wanted: () => number
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly #waiting = new Map<Connection, Done>()
  readonly #unproven = new Set<Connection>()
  #opening = 0

  /** @param wanted how many requests wait for a connection. */
  constructor(plan: LanePlan, wanted: () => number) {
    this.#plan = plan
    this.#wanted = wanted
  }

  send(path: string, done: Done): boolean {
    const connection = this.#idle.pop()
    if (connection === undefined) return false
    this.#waiting.set(connection, done)
    const fields = Object.entries({ host: 'echo', ...FIELDS }).map(([name, value]) => `${name}: ${value}\r\n`)
    connection.send(Buffer.from(`POST ${path} HTTP/1.1\r\n${fields.join('')}\r\n${BODY}`), 0)
    return true
  }

  tick(): void {
    const wanted = Math.min(OPENED_PER_TICK, this.#wanted() - this.#opening)
    const room = Math.min(wanted, this.#plan.connections - this.#all.size, UNPROVEN - this.#unproven.size)
    for (let opened = 0; opened < room; opened++) this.#open()
  }

  #open(): void {
    const { host, port, tls: secrets } = this.#plan
    const socket =
      secrets === undefined
        ? net.connect({ host, port, noDelay: true })
        : tls.connect({ host, port, ...secrets, ALPNProtocols: ['http/1.1'], checkServerIdentity: () => undefined })
    this.#opening++
    let opening = true
    const opened = (): void => {
      if (opening) this.#opening--
      opening = false
    }
    const connection = new Connection(socket, secrets === undefined ? 'connect' : 'secureConnect', {
      ready: () => {
        opened()
        this.#idle.push(connection)
      },
      answered: ({ status, head }) => {
        this.#unproven.delete(connection)
        const goesOn = this.#plan.keepsConnections !== false && !/\r\nconnection: *close/i.test(head)
        if (goesOn) this.#idle.push(connection)
        else {
          connection.close()
          this.#all.delete(connection)
        }
        this.#finish(connection, status, '')
      },
      ended: (reason) => {
        opened()
        this.#all.delete(connection)
        this.#unproven.delete(connection)
        const at = this.#idle.indexOf(connection)
        if (at >= 0) this.#idle.splice(at, 1)
        this.#finish(connection, undefined, reason)
      },
    })
    this.#all.add(connection)
    this.#unproven.add(connection)
  }

  #finish(connection: Connection, status: number | undefined, failure: string): void {
    const done = this.#waiting.get(connection)
    this.#waiting.delete(connection)
    done?.(status, failure)
  }
}

/** Two connections; one that ends or is told to go is replaced when it is needed. `connections` bounds the streams. */
class Http2Transport implements Transport {
  readonly #plan: LanePlan
  readonly #sessions: (http2.ClientHttp2Session | undefined)[] = [undefined, undefined]
  #turn = 0
  #streams = 0

  constructor(plan: LanePlan) {
    this.#plan = plan
  }

  tick(): void {
    // A stream needs nothing to be opened before.
  }

  send(path: string, done: Done): boolean {
    if (this.#streams >= this.#plan.connections) return false
    this.#streams++
    const stream = this.#session().request({ ':method': 'POST', ':path': path, ':authority': 'echo', ...FIELDS })
    let status: number | undefined
    let whole = false
    let failure = 'incomplete'
    stream.on('response', (headers) => {
      status = Number(headers[':status'])
    })
    stream.on('end', () => {
      whole = true
    })
    stream.on('error', (error) => {
      failure = error.message
    })
    stream.on('close', () => {
      this.#streams--
      // A whole answer counts, also when it came before the request was whole and ended it (RFC 9113 8.1: RST_STREAM with NO_ERROR).
      done(whole ? status : undefined, failure)
    })
    stream.resume()
    stream.end(BODY)
    return true
  }

  #session(): http2.ClientHttp2Session {
    const index = this.#turn++ % this.#sessions.length
    const known = this.#sessions[index]
    if (known !== undefined && !known.closed && !known.destroyed) return known
    const { host, port, tls: secrets } = this.#plan
    const session = http2.connect(`${secrets === undefined ? 'http' : 'https'}://${host}:${port}`, {
      ...secrets,
      checkServerIdentity: () => undefined,
    })
    session.on('error', () => undefined)
    session.on('goaway', () => session.close())
    this.#sessions[index] = session
    return session
  }
}

class Lane {
  readonly counts: LaneCounts
  readonly #plan: LanePlan
  readonly #transport: Transport
  readonly #outstanding = new Set<Done>()
  lastAnswerMs = 0
  #issued = 0
  #due = 0

  constructor(plan: LanePlan) {
    this.#plan = plan
    this.#transport = plan.protocol === 'http2' ? new Http2Transport(plan) : new Http1Transport(plan, () => this.#due)
    this.counts = { name: plan.name, phases: {} }
  }

  get outstanding(): number {
    return this.#outstanding.size
  }

  get isDone(): boolean {
    return this.#outstanding.size === 0 && this.#due === 0
  }

  /** What the rate says, up to now. */
  owe(elapsedMs: number): void {
    const due = Math.floor((elapsedMs * this.#plan.ratePerSecond) / 1000)
    this.#due += due - this.#issued
    this.#issued = due
  }

  work(phase: string): void {
    while (this.#due > 0 && this.#one(phase)) this.#due--
    this.#transport.tick()
  }

  /** Writes off what never came about. */
  giveUp(): void {
    this.counts.unsent = this.#due
    this.#due = 0
    for (const done of [...this.#outstanding]) done(undefined, 'no answer')
  }

  #one(phase: string): boolean {
    const done: Done = (status, failure) => {
      if (!this.#outstanding.delete(done)) return
      this.lastAnswerMs = performance.now()
      const counts = this.#phase(phase)
      counts.answered++
      const [book, entry] = status === undefined ? [counts.broken, failure] : [counts.statuses, String(status)]
      book[entry] = (book[entry] ?? 0) + 1
    }
    if (!this.#transport.send(`/${this.#plan.name}/${phase}`, done)) return false
    this.#outstanding.add(done)
    this.#phase(phase).sent++
    return true
  }

  #phase(phase: string): PhaseCounts {
    const known = this.counts.phases[phase]
    if (known !== undefined) return known
    const counts: PhaseCounts = { sent: 0, answered: 0, statuses: {}, broken: {} }
    this.counts.phases[phase] = counts
    return counts
  }
}

// The plan was written by load.ts, a line above where this program is started.
const lanes = (JSON.parse(process.argv[2] ?? '') as LanePlan[]).map((plan) => new Lane(plan))
const startedAt = performance.now()
let phase = 'before'
let stoppedAt: number | undefined

const tell = (message: LoadMessage, then: () => void = () => undefined): void => void process.send?.(message, then)

function work(now = performance.now()): void {
  if (stoppedAt === undefined) for (const lane of lanes) lane.owe(now - startedAt)
  else if (now > Math.max(stoppedAt, ...lanes.map((lane) => lane.lastAnswerMs)) + DRAIN_MS) for (const lane of lanes) lane.giveUp()
  for (const lane of lanes) lane.work(phase)
  if (stoppedAt !== undefined && lanes.every((lane) => lane.isDone)) end(stoppedAt)
}

const tellCounts = (): void => tell({ kind: 'counts', lanes: lanes.map(({ counts }) => counts) })
const pacer = setInterval(() => work(), TICK_MS)
const teller = setInterval(tellCounts, TELL_MS)

function end(stoppedAtMs: number): void {
  clearInterval(pacer)
  clearInterval(teller)
  tell({ kind: 'done', lanes: lanes.map(({ counts }) => counts), elapsedMs: stoppedAtMs - startedAt }, () => process.exit(0))
}

process.on('message', (order: LoadOrder) => {
  // What was due until now belongs to what was until now.
  const now = performance.now()
  work(now)
  if (order.kind === 'stop') stoppedAt = now
  else {
    phase = order.name
    // The counts first: who hears of the new phase knows all that was sent in the old one.
    tellCounts()
    tell({ kind: 'phase', outstanding: Object.fromEntries(lanes.map((lane) => [lane.counts.name, lane.outstanding])) })
  }
})
process.on('disconnect', () => process.exit(0))
