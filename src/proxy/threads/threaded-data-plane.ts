// Several data threads as one data plane: each listens on the same ports (SO_REUSEPORT: the kernel spreads connections), the main thread
// hands them the configuration and adds up what they count. Made by bin/proxy-data-side.ts when --concurrency is above 1.
// Invariants: a thread that dies is replaced and the others do not notice; an answer for all is given when all have answered.
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { Listener, ProxyConfig, SocketAddress } from '../config/proxy-config.ts'
import type { ClusterStatus, DataPlane, ListenerProblem } from '../data-plane.ts'
import { BoundListener } from '../sockets/bound-listener.ts'
import type { MetricFamily } from '../telemetry/metrics.ts'
import { BlockRelay } from './block-relay.ts'
import { ConfigEncoder, type OriginOf } from './config-wire.ts'
import { DataThread, type ThreadEvents } from './data-thread.ts'
import { asFamily, EMPTY_SNAPSHOT, mergeSnapshots, withoutPresent } from './merge.ts'
import type { Answer, ThreadData, ThreadSnapshot } from './protocol.ts'
import { SecretSender } from './secret-sender.ts'
import { clearLoadCells, createLoadCells } from './shared-cluster-load.ts'

export interface ThreadedDataPlaneOptions {
  /** At least 2. */
  readonly threads: number
  /** The file that each thread runs. */
  readonly program: string
  /** The same for all threads; the limit of connections is divided among them, because the kernel deals connections out evenly. */
  readonly data: Omit<ThreadData, 'index' | 'threads'>
  readonly originOf: OriginOf
  readonly secrets: SecretStore
  readonly clock: Clock
  readonly log: Logger
}

/** A scrape waits no longer than this for a thread that is busy; its numbers are then those of the last time. */
const COLLECT_TIMEOUT_MS = 500
/** For the log lines of connections that were cut. */
const CLOSE_TIMEOUT_MS = 2000
/** A thread that dies again and again must not take the processor from the others. */
const REPLACE_AFTER_MS = 100
const REPLACE_AGAIN_AFTER_MS = 2000
const SHORT_LIFE_MS = 10_000

interface Seat {
  thread: DataThread | undefined
  startedMs: number
  last: ThreadSnapshot
}

export class ThreadedDataPlane implements DataPlane {
  config: ProxyConfig = { listeners: new Map(), clusters: new Map() }
  /** Threads that died and were replaced. */
  replaced = 0

  readonly #options: ThreadedDataPlaneOptions
  readonly #encoder: ConfigEncoder
  readonly #sender: SecretSender
  readonly #relay: BlockRelay
  readonly #events: ThreadEvents
  readonly #loads = new Map<string, SharedArrayBuffer>()
  readonly #seats: readonly Seat[]
  /** Ports that our threads listen on. */
  #ownPorts: ReadonlySet<number> = new Set()
  /** What runs: the configuration without the listeners that cannot be opened. */
  #running: ProxyConfig = this.config
  #departed: ThreadSnapshot = EMPTY_SNAPSHOT
  #draining = false
  #closing: Promise<void> | undefined

  constructor(options: ThreadedDataPlaneOptions) {
    this.#options = options
    const { clock, log, secrets, originOf, threads } = options
    this.#encoder = new ConfigEncoder(originOf)
    this.#relay = new BlockRelay(clock)
    this.#events = {
      onLog: ({ level, message, fields }) => log[level](message, fields),
      onBlock: (fd, block, done) => this.#relay.add(fd, block, done),
      onExit: (thread, problem) => this.#replace(thread, problem),
    }
    this.#seats = Array.from({ length: threads }, () => ({ thread: undefined, startedMs: 0, last: EMPTY_SNAPSHOT }))
    this.#sender = new SecretSender(secrets, (values) => {
      for (const thread of this.#alive()) thread.tell(values)
    })
    for (const index of this.#seats.keys()) this.#start(index)
  }

  get activeConnections(): number {
    return this.#merged().connections
  }

  get activeRequests(): number {
    return this.#merged().requests
  }

  async apply(config: ProxyConfig): Promise<readonly ListenerProblem[]> {
    this.config = config
    const { usable, problems } = await this.#withUsablePorts(config)
    this.#running = usable
    this.#ownPorts = new Set([...usable.listeners.values()].filter(({ bindToPort }) => bindToPort).map(({ address }) => address.port))
    this.#shareLoads(usable)
    this.#sender.use(usable)
    const encoded = this.#encoder.encode(usable)
    const answers = await Promise.all([...this.#alive()].map((thread) => thread.apply(encoded, this.#loads)))
    if (!answers.some((answer) => answer !== undefined)) problems.push({ listener: 'all', message: 'no data thread runs' })
    return distinct([...problems, ...answers.flatMap(problemsOf)])
  }

  /** As of the last `collect`. */
  clusterStatus(): readonly ClusterStatus[] {
    return this.#merged().clusters.filter(({ name }) => this.config.clusters.has(name))
  }

  /** What the threads have counted; as of the last `collect`. */
  families(): Iterable<MetricFamily> {
    return this.#merged().families.map(asFamily)
  }

  /** Per thread, for the gauge that shows how even the spread is. */
  connectionsByThread(): readonly number[] {
    return this.#seats.map(({ last }) => last.connections)
  }

  /** Asks every thread for its numbers. */
  async collect(): Promise<void> {
    const asked = this.#seats.map(async (seat) => {
      const { thread } = seat
      const answer = await thread?.ask({ kind: 'snapshot' })
      if (answer?.kind === 'snapshot' && seat.thread === thread) seat.last = answer.snapshot
    })
    await this.#atMost(COLLECT_TIMEOUT_MS, Promise.all(asked))
  }

  async drain(graceMs: number, leastMs = 0): Promise<void> {
    this.#draining = true
    const drained = [...this.#alive()].map((thread) => thread.ask({ kind: 'drain', graceMs, leastMs }))
    // A thread that hangs must not keep the process.
    await this.#atMost(graceMs + CLOSE_TIMEOUT_MS, Promise.all(drained))
  }

  shrink(): void {
    for (const thread of this.#alive()) thread.shrink()
  }

  close(): void {
    void this.finish()
  }

  /** Cuts everything; resolves when the threads have written their last log lines and are gone. */
  finish(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  /** For tests: the thread dies as if it had crashed. */
  async killThread(index: number): Promise<void> {
    await this.#seats[index]?.thread?.terminate()
  }

  async #finish(): Promise<void> {
    this.#sender.stop()
    const threads = [...this.#alive()]
    await this.#atMost(CLOSE_TIMEOUT_MS, Promise.all(threads.map((thread) => thread.ask({ kind: 'close' }))))
    await Promise.all(threads.map((thread) => thread.terminate()))
  }

  #start(index: number): DataThread {
    const { data, threads, program, clock } = this.#options
    const share = (limit: number | undefined): number | undefined => (limit === undefined ? undefined : Math.ceil(limit / threads))
    const limits = {
      maxDownstreamConnections: share(data.maxDownstreamConnections),
      connectionsByDescriptors: share(data.connectionsByDescriptors),
    }
    const thread = new DataThread(program, { ...data, ...limits, index, threads }, this.#events)
    const seat = this.#seats[index]
    if (seat !== undefined) Object.assign(seat, { thread, startedMs: clock.monotonicMs(), last: EMPTY_SNAPSHOT })
    thread.tell(this.#sender.present)
    return thread
  }

  #replace(gone: DataThread, problem: string): void {
    const seat = this.#seats[gone.index]
    if (seat?.thread !== gone) return
    // Its counts up to the last scrape stay in the sums: a counter that falls would be read as a restart of the process.
    this.#departed = mergeSnapshots([this.#departed, withoutPresent(seat.last)])
    seat.last = EMPTY_SNAPSHOT
    seat.thread = undefined
    for (const cells of this.#loads.values()) clearLoadCells(cells, gone.index)
    if (this.#closing !== undefined) return
    const { clock, log } = this.#options
    if (this.#draining) return log.error('a data thread died while draining; its connections were cut', { thread: gone.index, problem })
    const lifeMs = clock.monotonicMs() - seat.startedMs
    const afterMs = lifeMs < SHORT_LIFE_MS && this.replaced > 0 ? REPLACE_AGAIN_AFTER_MS : REPLACE_AFTER_MS
    this.replaced++
    log.error('a data thread died and is replaced; its connections were cut', { thread: gone.index, problem, afterMs })
    clock.after(afterMs, () => {
      this.#startAgain(gone.index).catch((error) =>
        log.error('a data thread could not be replaced', { thread: gone.index, problem: errorMessage(error) }),
      )
    })
  }

  async #startAgain(index: number): Promise<void> {
    if (this.#closing !== undefined || this.#draining) return
    const answer = await this.#start(index).apply(this.#encoder.encode(this.#running), this.#loads)
    for (const { message } of problemsOf(answer))
      this.#options.log.error('a listener is not open in a data thread', { thread: index, problem: message })
  }

  *#alive(): Iterable<DataThread> {
    for (const { thread } of this.#seats) if (thread !== undefined) yield thread
  }

  #merged(): ThreadSnapshot {
    return mergeSnapshots([...this.#seats.map(({ last }) => last), this.#departed])
  }

  #shareLoads({ clusters }: ProxyConfig): void {
    for (const name of this.#loads.keys()) if (!clusters.has(name)) this.#loads.delete(name)
    for (const name of clusters.keys()) if (!this.#loads.has(name)) this.#loads.set(name, createLoadCells(this.#options.threads))
  }

  /** A shared port does not clash with that of another program that shares it too: two proxies by mistake on one port would each get
   *  half of the connections, and no error. So a port that is new to us is first opened for ourselves alone. */
  async #withUsablePorts(config: ProxyConfig): Promise<{ readonly usable: ProxyConfig; readonly problems: ListenerProblem[] }> {
    const problems: ListenerProblem[] = []
    const listeners = new Map<string, Listener>()
    for (const [name, listener] of config.listeners) {
      const { bindToPort, address } = listener
      const problem = !bindToPort || this.#ownPorts.has(address.port) ? undefined : await problemWith(address)
      if (problem === undefined) listeners.set(name, listener)
      else problems.push({ listener: name, message: `listener ${name}: ${problem}` })
    }
    return { usable: problems.length === 0 ? config : { ...config, listeners }, problems }
  }

  async #atMost(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer: Timer = this.#options.clock.after(timeoutMs, () => late.resolve())
    await Promise.race([work, late.promise])
    timer.cancel()
  }
}

async function problemWith(address: SocketAddress): Promise<string | undefined> {
  if (address.port === 0) return 'port 0 gives each data thread another port: give it a number, or run one thread (--concurrency 1)'
  const opened = await BoundListener.open(address, (socket) => socket.destroy())
  if (typeof opened === 'string') return opened
  opened.close()
  return undefined
}

/** A thread that died before it could answer is replaced by one that gets the newest configuration. */
function problemsOf(answer: Answer | undefined): readonly ListenerProblem[] {
  if (answer?.kind === 'failed') throw new Error(`a data thread cannot use the configuration: ${answer.problem}`)
  return answer?.kind === 'applied' ? answer.problems : []
}

function distinct(problems: readonly ListenerProblem[]): readonly ListenerProblem[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()]
}
