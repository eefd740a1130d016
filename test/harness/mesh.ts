// A whole mesh for a test, started as a person starts it: `lateen run DIR` from the built files, in folders of its own.
// Invariant: when the test ends nothing of it runs any more, and a process that was left behind fails the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { AddressPlan, HostPort, WorkloadAddresses } from '../../src/model/address-plan.ts'
import { askDesiredMesh, isRecord } from '../../src/standalone/mesh-api.ts'
import { connectMesh, type MeshClient } from '../../src/standalone/mesh-client.ts'
import { describeStateFolder } from '../../src/standalone/state-folder.ts'
import type { ClientStatus } from '../../src/xds/serve/client-status.ts'
import { type AccessLogLine, parseAccessLog } from './access-log.ts'
import { ECHO_PORT } from './mesh-files.ts'
import { addressesIn, inboundIn, outboundIn } from './planned-addresses.ts'
import { processesWith } from './process-table.ts'
import { waitFor } from './wait.ts'

const REPOSITORY = path.resolve(import.meta.dirname, '../..')
/** LATEEN_DIST: another build, for instance of an older version. */
export const LATEEN = path.join(process.env.LATEEN_DIST ?? path.join(REPOSITORY, 'dist'), 'lateen.js')
export const ECHO = path.join(import.meta.dirname, 'echo-program.ts')
/** The path of a UNIX socket ends at 103 bytes; a system's own temporary folder may be long. */
export const SHORT_TEMPORARY_FOLDER = '/tmp'

export interface MeshOptions {
  /** File name -> YAML. $ECHO is replaced by the command of the echo application. */
  readonly files: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** Of the sources, where what was built may be older than what is tested; by default what was built. */
  readonly program?: string
}

export async function startMesh(t: TestContext, options: MeshOptions): Promise<Mesh> {
  const { program = LATEEN } = options
  if (!existsSync(program)) throw new Error(`${program} is not there: run npm run build first`)
  const base = mkdtempSync(path.join(SHORT_TEMPORARY_FOLDER, 'lateen-mesh-'))
  const mesh = new Mesh(base, options)
  t.after(async () => {
    await mesh.stop()
    rmSync(base, { recursive: true, force: true })
  })
  await mesh.untilReady()
  return mesh
}

export class Mesh {
  readonly base: string
  readonly dir: string
  readonly state: string
  readonly client: MeshClient
  readonly process: ChildProcess
  /** Everything that was printed, by label: 'lateen', 'control-plane', 'caller sidecar', 'echo-v1', ... */
  readonly #printed = new Map<string, string[]>()
  readonly #exited: Promise<void>
  #plan: AddressPlan = { strategy: 'loopback', workloads: {} }

  constructor(base: string, { files, env = {}, args = [], program = LATEEN }: MeshOptions) {
    this.base = base
    this.dir = path.join(base, 'mesh')
    this.state = path.join(base, 'state')
    mkdirSync(this.dir)
    for (const [name, text] of Object.entries(files)) this.write(name, text)
    this.client = connectMesh(describeStateFolder(this.state).socket)
    this.process = spawn(process.execPath, [program, 'run', this.dir, '--state', this.state, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.#exited = new Promise((resolve) => this.process.once('exit', () => resolve()))
    let rest = ''
    this.process.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#keep(line)
    })
    this.process.stderr?.setEncoding('utf8').on('data', (chunk: string) => this.#keep(`stderr | ${chunk.trimEnd()}`))
  }

  /** As a person saves a file in an editor. */
  write(name: string, text: string): void {
    const command = `[node, ${ECHO}, ${this.base}]`
    writeFileSync(path.join(this.dir, name), text.replaceAll('$ECHO', command))
  }

  remove(name: string): void {
    rmSync(path.join(this.dir, name))
  }

  /** All instances answer their probes, and every proxy runs what was sent to it. */
  async untilReady(): Promise<void> {
    try {
      await waitFor(() => this.#isReady(), { what: 'the mesh', timeoutMs: 30_000, while: () => this.process.exitCode === null })
    } catch (error) {
      throw new Error(`the mesh did not become ready:\n${this.printed().slice(-60).join('\n')}`, { cause: error })
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      const { workloads, addresses } = await askDesiredMesh(this.client)
      const wanted = workloads.reduce((sum, { spec }) => sum + (spec.replicas ?? 1), 0)
      if (Object.keys(addresses.workloads).length !== wanted) return false
      this.#plan = addresses
      const ready: unknown = JSON.parse(readFileSync(path.join(this.state, 'ready.json'), 'utf8'))
      if (!Array.isArray(ready) || ready.length !== wanted) return false
      const proxies = await this.proxies()
      return proxies.length === wanted && proxies.every(isSynced)
    } catch {
      return false
    }
  }

  async proxies(): Promise<readonly ClientStatus[]> {
    const value = await this.client.get('/v1/proxies')
    if (!isRecord(value) || !Array.isArray(value.proxies)) throw new Error(`/v1/proxies answered ${JSON.stringify(value)}`)
    return value.proxies
  }

  addresses(instance: string): WorkloadAddresses {
    return addressesIn(this.#plan, instance)
  }

  outbound(instance: string, service = 'echo', port = ECHO_PORT): HostPort {
    return outboundIn(this.#plan, instance, service, port)
  }

  inbound(instance: string): HostPort {
    return inboundIn(this.#plan, instance)
  }

  controlPlanePid(): number {
    return onlyPid(`control-plane --dir ${this.dir}`)
  }

  sidecarPid(instance: string): number {
    return onlyPid(path.join(describeStateFolder(this.state).proxyFolder(`default/${instance}`), 'bootstrap.json'))
  }

  /** All lines, each with its label. */
  printed(): readonly string[] {
    return [...this.#printed].flatMap(([label, lines]) => lines.map((line) => `${label} | ${line}`))
  }

  lines(label: string): readonly string[] {
    return this.#printed.get(label) ?? []
  }

  accessLog(instance: string): readonly AccessLogLine[] {
    return this.lines(`${instance} sidecar`).flatMap((line) => parseAccessLog(line) ?? [])
  }

  /** Text of an admin page of a sidecar. */
  async admin(instance: string, page: string): Promise<string> {
    const { host, port } = this.addresses(instance).admin
    const response = await fetch(`http://${host}:${port}${page}`)
    return response.text()
  }

  /** SIGTERM to `lateen run`; throws when anything of the mesh is left. */
  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 25_000)
    await this.#exited
    clearTimeout(hard)
    await this.untilNothingIsLeft()
  }

  async untilNothingIsLeft(): Promise<void> {
    try {
      await waitFor(() => processesWith(this.base).length === 0, { what: 'the end of every process', timeoutMs: 5000 })
    } catch (error) {
      const left = processesWith(this.base)
      for (const { pid } of left) process.kill(pid, 'SIGKILL')
      throw new Error(`left behind by lateen run:\n${left.map(({ pid, args }) => `${pid} ${args}`).join('\n')}`, { cause: error })
    }
  }

  #keep(line: string): void {
    const at = line.indexOf(' | ')
    const label = line.slice(0, Math.max(at, 0)).trim()
    const lines = this.#printed.get(label) ?? []
    lines.push(line.slice(at < 0 ? 0 : at + 3))
    this.#printed.set(label, lines)
  }
}

export function isSynced({ types }: ClientStatus): boolean {
  const states = Object.values(types)
  return states.length > 0 && states.every(({ state }) => state === 'SYNCED')
}

function onlyPid(text: string): number {
  const [found, ...others] = processesWith(text)
  if (found === undefined || others.length > 0) throw new Error(`${others.length + (found ? 1 : 0)} processes with ${text}`)
  return found.pid
}
