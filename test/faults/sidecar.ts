// One real proxy process for the drills of this folder: its bootstrap, its metrics, its logs, and whether it is still the same process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { type SidecarShape, sidecarBootstrap } from './bootstrap.ts'

const PROGRAM = path.join(process.env.LATEEN_DIST ?? path.resolve(import.meta.dirname, '../../dist'), 'lateen.js')
/** Of one condition, on a machine that does other things too. */
const PATIENCE_MS = 45_000

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
  readonly durationMs: number
  readonly details: string
  /** Of the transport, and why a connection ended. */
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
    const addresses = { host: this.host, adminPort: this.adminPort, port: this.port }
    writeFileSync(file, JSON.stringify(sidecarBootstrap(shape, addresses)))
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
    await this.#until(answers, () => 'the proxy to be ready')
  }

  async ask(target: string, method = 'GET'): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`http://${this.host}:${this.adminPort}${target}`, { method, signal: AbortSignal.timeout(PATIENCE_MS) })
    return { status: response.status, body: await response.text() }
  }

  /** The sum of the series whose labels contain all of `labels`, as text: `response_code="503"`. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const { body } = await this.ask('/stats/prometheus')
    const series = body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    const wanted = series.filter((line) => labels.every((label) => line.includes(label)))
    return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async untilMetric(fits: (value: number) => boolean, name: string, ...labels: readonly string[]): Promise<number> {
    let value: number | undefined
    const read = async (): Promise<number | undefined> => {
      value = await this.metric(name, ...labels)
      return fits(value) ? value : undefined
    }
    return await this.#until(read, () => `${name}{${labels}}, which is ${value}`)
  }

  async untilSaid(text: string): Promise<string> {
    return await this.#until(
      () => this.log.find((line) => line.includes(text)),
      () => `the log line '${text}'`,
    )
  }

  requests(file = this.#accessLog): LoggedRequest[] {
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    return lines.map((line) => {
      const [target = '', status = '', flags = '', duration = '', details = '', ...reason] = line.split(' ')
      return { path: target, status: Number(status), flags, durationMs: Number(duration), details, reason: reason.join(' ') }
    })
  }

  /** The log is written a moment after the answer. */
  async untilLogged(least: number, fits: (request: LoggedRequest) => boolean): Promise<LoggedRequest[]> {
    const read = (): LoggedRequest[] | undefined => {
      const found = this.requests().filter(fits)
      return found.length >= least ? found : undefined
    }
    return await this.#until(read, () => `${least} access log lines where ${fits}, of ${JSON.stringify(this.requests().slice(-5))}`)
  }

  async #until<T>(condition: () => Promise<T | undefined | false> | T | undefined | false, what: () => string): Promise<T> {
    try {
      return await waitFor(condition, { what: 'it', timeoutMs: PATIENCE_MS, while: () => this.isAlive })
    } catch (error) {
      throw new Error(`waited in vain for ${what()}\n${this.log.slice(-20).join('\n')}`, { cause: error })
    }
  }
}

export async function startSidecar(t: TestContext, options: SidecarOptions, folder = temporaryFolder(t)): Promise<Sidecar> {
  const [admin = 0, port = 0] = await freePorts(2)
  const sidecar = new Sidecar(folder, [admin, port], options)
  t.after(() => endChild(sidecar.process))
  await sidecar.ready()
  return sidecar
}

/** Goes with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-fault-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
