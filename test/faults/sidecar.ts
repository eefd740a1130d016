// One real proxy process under load, for the drills of this folder: its bootstrap, its metrics, its logs, and the accounting that makes
// a drill a proof: every request of the load is answered once or broken once, and the access log tells the same story.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { LoadReport } from '../harness/load.ts'
import { accountedFor, runLoadProcess } from '../harness/load-process.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { type SidecarShape, sidecarBootstrap } from './bootstrap.ts'

const PROGRAM = path.join(process.env.LATEEN_DIST ?? path.resolve(import.meta.dirname, '../../dist'), 'lateen.js')
const ECHO = path.resolve(import.meta.dirname, '../harness/echo-program.ts')
export const LOAD_PATH = '/pay'
/** What the issue asks for. */
export const RATE_PER_SECOND = 500

export interface SidecarOptions extends SidecarShape {
  /** Put before the program: `prlimit`, `ip netns exec`, `unshare` and the like, all of which become the program they start. */
  readonly under?: readonly string[]
  readonly args?: readonly string[]
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Where the load and the admin questions go, when the proxy is in a network namespace. */
  readonly host?: string
  /** The path of the access log as the proxy sees it; how the test sees it is its own business. */
  readonly accessLog?: string
  /** Standard output is the test's, from the first byte on. */
  readonly onStdout?: (stdout: NonNullable<ChildProcess['stdout']>) => void
}

export interface LoggedRequest {
  readonly path: string
  readonly status: number
  readonly flags: string
  readonly details: string
  readonly reason: string
}

export class Sidecar {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly host: string
  readonly process: ChildProcess
  readonly log: string[] = []
  readonly #accessLog: string

  constructor(folder: string, ports: readonly [number, number], options: SidecarOptions) {
    ;[this.adminPort, this.port] = ports
    this.folder = folder
    this.host = options.host ?? '127.0.0.1'
    this.#accessLog = options.accessLog ?? path.join(folder, 'access.log')
    const file = path.join(folder, 'bootstrap.json')
    const shape = { ...options, accessLog: this.#accessLog }
    writeFileSync(file, JSON.stringify(sidecarBootstrap(shape, { ...this.#addresses() })))
    const node = [process.execPath, '--max-semi-space-size=4', ...(options.nodeArgs ?? [])]
    const command = [...(options.under ?? []), ...node, PROGRAM, 'proxy', '-c', file, '--log-format', 'json', ...(options.args ?? [])]
    const [program = '', ...args] = command
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: run npm run build first`)
    this.process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
    if (this.process.stdout !== null) options.onStdout?.(this.process.stdout)
    if (options.onStdout === undefined) this.process.stdout?.resume()
    let rest = ''
    this.process.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      this.log.push(...lines)
    })
  }

  #addresses() {
    return { host: this.host, adminPort: this.adminPort, port: this.port }
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  async ready(): Promise<void> {
    const answers = (): Promise<boolean> =>
      this.ask('/ready').then(
        ({ status }) => status === 200,
        () => false,
      )
    await waitFor(answers, { what: `the proxy (${this.log.join('\n')})`, while: () => this.isAlive })
  }

  async ask(target: string, method = 'GET'): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`http://${this.host}:${this.adminPort}${target}`, { method, signal: AbortSignal.timeout(5000) })
    return { status: response.status, body: await response.text() }
  }

  /** The sum of the series whose labels contain `labels`, as text: `response_code="503"`. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const { body } = await this.ask('/stats/prometheus')
    const series = body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    const wanted = series.filter((line) => labels.every((label) => line.includes(label)))
    return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async untilMetric(least: number, name: string, ...labels: readonly string[]): Promise<number> {
    const read = async (): Promise<number | undefined> => {
      const value = await this.metric(name, ...labels)
      return value >= least ? value : undefined
    }
    return await waitFor(read, { what: `${name} ${labels} of ${least} (${this.log.join('\n')})`, while: () => this.isAlive })
  }

  /** At least so many requests have been answered with this status since the proxy started. */
  untilAnswered(least: number, status = 200): Promise<number> {
    return this.untilMetric(least, 'istio_requests_total', `response_code="${status}"`)
  }

  async untilSaid(text: string): Promise<string> {
    return await waitFor(() => this.log.find((line) => line.includes(text)), { what: `the log line '${text}' (${this.log.join('\n')})` })
  }

  /** 500 requests per second, open loop, each of which is accounted for. */
  load(durationMs: number, connections = 512): Promise<LoadReport> {
    return runLoadProcess({
      host: this.host,
      port: this.port,
      connections,
      ratePerSecond: RATE_PER_SECOND,
      durationMs,
      method: 'POST',
      path: LOAD_PATH,
      headers: { host: 'echo', 'content-type': 'text/plain' },
      body: 'amount=10',
    })
  }

  requests(file = this.#accessLog): LoggedRequest[] {
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    return lines.map((line) => {
      const [target = '', status = '', flags = '', details = '', ...reason] = line.split(' ')
      return { path: target, status: Number(status), flags, details, reason: reason.join(' ') }
    })
  }

  /** The log is written a moment after the answer. */
  async untilLogged(fits: (request: LoggedRequest) => boolean, what: string): Promise<LoggedRequest> {
    return await waitFor(() => this.requests().find(fits), { what: `an access log line: ${what}`, timeoutMs: 5000 })
  }

  /** Nothing is lost from the books: not by the load, not by the access log; nothing was answered but with these statuses and flags.
   *  `flags`: status -> the response flags that its lines may carry. */
  async assertBooks(reports: readonly LoadReport[], flags: Readonly<Record<number, readonly string[]>>): Promise<void> {
    const inWords = JSON.stringify(reports)
    for (const report of reports) {
      // What the generator did not come to send while all its connections waited; not the proxy's doing, but there must be a load.
      assert.ok(report.sent >= 50, `too little was sent: ${inWords}`)
      assert.equal(accountedFor(report), report.sent, `the books do not balance: ${inWords}`)
      assert.deepEqual(report.broken, {}, `connections broke during a request: ${inWords}`)
      assert.deepEqual(unknownTo(flags, Object.keys(report.statuses)), [], inWords)
    }
    const expected = countBy(reports.flatMap(({ statuses }) => Object.entries(statuses).map(([status, count]) => ({ status, count }))))
    const logged = (): LoggedRequest[] => this.requests().filter(({ path: target }) => target === LOAD_PATH)
    const count = reports.reduce((sum, { sent }) => sum + sent, 0)
    await waitFor(() => logged().length >= count, { what: `${count} access log lines, of ${logged().length}`, timeoutMs: 5000 })
    assert.deepEqual(countBy(logged().map(({ status }) => ({ status: String(status), count: 1 }))), expected, 'the log tells another story')
    for (const { status, flags: flag, details } of logged()) {
      assert.ok(flags[status]?.includes(flag), `a request was answered ${status} with flag ${flag} (${details})`)
    }
  }

  /** What every drill ends with: the same process, which answers everything again. */
  async assertRecovered(durationMs = 500): Promise<LoadReport> {
    const report = await this.load(durationMs)
    assert.deepEqual(report.statuses, { 200: report.sent }, `not recovered: ${JSON.stringify(report)}`)
    assert.deepEqual(report.broken, {})
    assert.ok(this.isAlive, 'the proxy ended')
    assert.equal(await this.metric('lateen_proxy_unexpected_errors_total'), 0, this.log.join('\n'))
    return report
  }
}

function unknownTo(known: Readonly<Record<number, unknown>>, statuses: readonly string[]): string[] {
  return statuses.filter((status) => known[Number(status)] === undefined)
}

function countBy(entries: readonly { readonly status: string; readonly count: number }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, count } of entries) counts[status] = (counts[status] ?? 0) + count
  return counts
}

export async function startSidecar(t: TestContext, options: SidecarOptions): Promise<Sidecar> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-fault-'))
  const [admin = 0, port = 0] = await freePorts(2)
  const sidecar = new Sidecar(folder, [admin, port], options)
  t.after(async () => {
    await endChild(sidecar.process)
    rmSync(folder, { recursive: true, force: true })
  })
  await sidecar.ready()
  return sidecar
}

export interface Backend {
  readonly pid: number
  readonly port: number
  stop(): void
  go(): void
  kill(): Promise<void>
  /** On the same port. */
  restart(): Promise<void>
}

/** The echo application as a process of its own, on a port that it keeps. */
export async function startBackend(t: TestContext, under: readonly string[] = [], host = '127.0.0.1'): Promise<Backend> {
  const [port = 0] = await freePorts(1)
  const start = (): ChildProcess => {
    const [program = '', ...args] = [...under, process.execPath, ECHO]
    const env = { ...process.env, HOST: host, PORT: String(port), WORKLOAD_NAME: 'echo' }
    return spawn(program, args, { stdio: 'ignore', env })
  }
  let child = start()
  t.after(() => endChild(child))
  const answers = async (): Promise<boolean> => {
    try {
      return (await fetch(`http://${host}:${port}/health`, { signal: AbortSignal.timeout(1000) })).ok
    } catch {
      return false
    }
  }
  await waitFor(answers, { what: 'the application' })
  return {
    port,
    get pid() {
      return child.pid ?? 0
    },
    stop: () => void child.kill('SIGSTOP'),
    go: () => void child.kill('SIGCONT'),
    kill: () => endChild(child),
    restart: async () => {
      child = start()
      await waitFor(answers, { what: 'the application' })
    },
  }
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

export function describe(...reports: readonly LoadReport[]): string {
  return reports
    .map(({ sent, statuses, broken, latencyMs }) => {
      const cut = Object.keys(broken).length === 0 ? '' : `, broken ${JSON.stringify(broken)}`
      return `${sent} sent, ${JSON.stringify(statuses)}${cut}, p50 ${latencyMs.p50.toFixed(1)} p99 ${latencyMs.p99.toFixed(0)} ms`
    })
    .join('; then ')
}
