// The control plane's rows (npm run bench -- control): the control plane in a process pinned to one processor, thousands of simulated
// delta-ADS clients in another, plaintext over loopback, as the istiod was measured that the bars come from.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { ENDPOINT_TYPE, VIRTUAL_HOST_TYPE } from '../../src/envoy/type-urls.ts'
import type { ClientsOrder, HeldCounts } from './control-clients.ts'
import { type MeshSize, SERVICES_PER_NAMESPACE } from './control-mesh.ts'
import type { ServerOrder, ServerStats } from './control-server.ts'
import { usageOf } from './processes.ts'

export interface ControlOptions {
  readonly services: number
  readonly clients: number
  readonly rows: readonly string[]
  readonly churnSeconds: number
  /** Undefined: both. */
  readonly scopes?: readonly string[] | undefined
  /** Each row as soon as it is measured. */
  readonly onRow: (row: ControlRow) => void
}

export interface ControlRow {
  readonly row: string
  readonly what: string
  readonly measured: string
  /** Undefined: the bar is set for another size. */
  readonly bar: string | undefined
  readonly met: boolean | undefined
}

interface Child {
  readonly process: ChildProcess
  send(order: ServerOrder | ClientsOrder): void
  /** The next message that has this field. */
  next(field: string): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

function child(program: string, argument: unknown, processor: number): Child {
  const profile = process.env.BENCH_PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`]
  const node = [process.execPath, ...profile, path.join(import.meta.dirname, program), JSON.stringify(argument)]
  const command = availableParallelism() > 1 ? ['taskset', '-c', String(processor), ...node] : node
  const started = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting: { readonly field: string; readonly resolve: (message: Record<string, unknown>) => void }[] = []
  started.on('message', (message: Record<string, unknown>) => {
    const at = waiting.findIndex(({ field }) => field in message)
    if (at !== -1) for (const { resolve } of waiting.splice(at, 1)) resolve(message)
  })
  return {
    process: started,
    send: (order) => void started.send(order),
    next: (field) =>
      new Promise((resolve, reject) => {
        waiting.push({ field, resolve })
        started.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)))
      }),
    async stop() {
      const gone = once(started, 'exit')
      // The child ends by itself then, and writes its profile if it was asked for one.
      if (process.env.BENCH_PROFILE === undefined) started.kill('SIGKILL')
      else started.disconnect()
      await gone
    },
  }
}

/** Peak resident memory, looked at ten times a second. */
function watchPeak(pid: number): { readonly stop: () => number } {
  let peak = 0
  const look = (): void => {
    peak = Math.max(peak, usageOf(pid).rssBytes)
  }
  const timer = setInterval(look, 100)
  return {
    stop() {
      clearInterval(timer)
      look()
      return peak
    },
  }
}

const FULL = { services: 1000, clients: 2000 }

export async function benchControl(options: ControlOptions): Promise<readonly ControlRow[]> {
  const rows: ControlRow[] = []
  for (const scoped of [true, false]) {
    if (options.scopes !== undefined && !options.scopes.includes(scoped ? 'scoped' : 'unscoped')) continue
    const wanted = [scoped ? 'C1' : 'C2', 'C3', 'C4', 'C5', 'C6']
    if (!wanted.some((row) => options.rows.includes(row))) continue
    rows.push(...(await measure({ services: options.services, clients: options.clients, scoped }, options)))
  }
  return rows
}

async function measure(size: MeshSize, options: ControlOptions): Promise<readonly ControlRow[]> {
  const full = size.services === FULL.services && size.clients === FULL.clients
  const rows: ControlRow[] = []
  const done = (row: ControlRow): void => {
    rows.push(row)
    options.onRow(row)
  }
  const add: AddRow = (row, what, checks) => {
    done({
      ...{ row, what },
      measured: checks.map(([name, value, unit]) => `${name} ${format(value)} ${unit}`).join(', '),
      bar: full ? checks.map(([, , unit, bar]) => `${format(bar)} ${unit}`).join(', ') : undefined,
      met: full ? checks.every(([, value, , bar]) => value <= bar) : undefined,
    })
  }
  let server = child('control-server.ts', { size, port: 0 }, 0)
  let clients: Child | undefined
  try {
    const { port } = await server.next('port')
    clients = child('control-clients.ts', size, 1)
    await clients.next('ready')
    let pid = server.process.pid ?? 0
    const scope = size.scoped ? 'scoped' : 'unscoped'

    const before = usageOf(pid).cpuUs
    const peak = watchPeak(pid)
    const startMs = performance.now()
    clients.send({ do: 'connect', port: Number(port) })
    const first = await clients.next('synced')
    const seconds = (performance.now() - startMs) / 1000
    const cpu = (usageOf(pid).cpuUs - before) / 1e6
    const gib = peak.stop() / 2 ** 30
    const kib = Number(first.bytes) / 1024 / size.clients
    checkHeld(size, first.held as HeldCounts)
    const bars = size.scoped ? [4.95, 4.7, 0.675, 85.5] : [51.2, 50, 1.5, 5172]
    add(size.scoped ? 'C1' : 'C2', `first sync of ${size.clients} clients, ${size.services} services, ${scope}`, [
      ['all in sync', seconds, 's', bars[0] ?? 0],
      ['CPU', cpu, 's', bars[1] ?? 0],
      ['peak', gib, 'GiB', bars[2] ?? 0],
      ['a client', kib, 'KiB', bars[3] ?? 0],
    ])
    // Before the changes, or the new process would know another mesh.
    if (options.rows.includes('C5') && !size.scoped) {
      clients.send({ do: 'connect', port: Number(port) })
      await server.stop()
      const restartMs = performance.now()
      server = child('control-server.ts', { size, port }, 0)
      await server.next('port')
      const again = await clients.next('synced')
      add('C5', `restart with ${size.clients} clients connected (${format(Number(again.bytes) / 1024 / size.clients)} KiB each)`, [
        ['all in sync', (performance.now() - restartMs) / 1000, 's', 15],
        ['refusals', Number(again.refusals), '', 0],
      ])
    }
    pid = server.process.pid ?? 0
    await changesOf({ server, clients, size, add, rows: options.rows })
    if (options.rows.includes('C6') && !size.scoped) done(await churn(server, size, options.churnSeconds))
  } finally {
    await clients?.stop()
    await server.stop()
  }
  return rows
}

type AddRow = (row: string, what: string, checks: readonly (readonly [name: string, value: number, unit: string, bar: number])[]) => void

interface Running {
  readonly server: Child
  readonly clients: Child
  readonly size: MeshSize
  readonly add: AddRow
  readonly rows: readonly string[]
}

async function changesOf({ server, clients, size, add, rows }: Running): Promise<void> {
  const pid = server.process.pid ?? 0
  const scope = size.scoped ? 'scoped' : 'unscoped'
  const changes = size.scoped ? Math.min(size.clients, SERVICES_PER_NAMESPACE * 2) : size.clients
  if (rows.includes('C3')) {
    const { p50, p99 } = await propagation(server, clients, { do: 'endpoint', client: 1 }, ENDPOINT_TYPE, changes)
    const [bar50, bar99] = size.scoped ? [120, 126] : [262, 438]
    add('C3', `one endpoint to the last of ${changes} clients, ${scope}`, [
      ['p50', p50, 'ms', bar50 ?? 0],
      ['p99', p99, 'ms', bar99 ?? 0],
    ])
  }
  if (rows.includes('C4')) {
    const cpuBefore = usageOf(pid).cpuUs
    const order: ServerOrder = { do: 'virtual-service', service: 0, weight: 50 }
    const { p50, p99, bytes } = await propagation(server, clients, order, VIRTUAL_HOST_TYPE, changes)
    const [bar50, bar99, barCpu] = size.scoped ? [136, 256, 0.06] : [1080, 1980, 1.95]
    add('C4', `one VirtualService to ${changes} clients, ${scope} (${format(bytes / 1024 / changes)} KiB each)`, [
      ['p50', p50, 'ms', bar50 ?? 0],
      ['p99', p99, 'ms', bar99 ?? 0],
      ['CPU', (usageOf(pid).cpuUs - cpuBefore) / 1e6, 's', barCpu ?? 0],
    ])
  }
}

async function propagation(
  server: Child,
  clients: Child,
  order: ServerOrder,
  typeUrl: string,
  count: number,
): Promise<{ readonly p50: number; readonly p99: number; readonly bytes: number }> {
  clients.send({ do: 'expect', typeUrl, clients: count })
  await clients.next('expecting')
  const changed = server.next('changedAtMs')
  const seen = clients.next('seen')
  server.send(order)
  const { changedAtMs } = await changed
  const { seen: times, bytes } = await seen
  const latencies = (Array.isArray(times) ? times : []).map((atMs) => Number(atMs) - Number(changedAtMs)).sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), bytes: Number(bytes) }
}

/** Twenty changes a second, nineteen of endpoints to one of a VirtualService, while everybody stays connected. */
async function churn(server: Child, size: MeshSize, seconds: number): Promise<ControlRow> {
  const pid = server.process.pid ?? 0
  const fresh = server.next('stats')
  server.send({ do: 'stats' })
  await fresh
  const before = usageOf(pid).cpuUs
  const peak = watchPeak(pid)
  for (let change = 0; change < seconds * 20; change++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    server.send(
      change % 20 === 19
        ? { do: 'virtual-service', service: (change * 2) % size.services, weight: change % 100 }
        : { do: 'endpoint', client: change % size.clients },
    )
  }
  const answer = server.next('stats')
  server.send({ do: 'stats' })
  const { loopP99Ms } = (await answer).stats as ServerStats
  const processors = (usageOf(pid).cpuUs - before) / 1e6 / seconds
  const gib = peak.stop() / 2 ** 30
  const isFull = size.services === FULL.services && size.clients === FULL.clients
  return {
    row: 'C6',
    what: `${seconds} s of 20 changes a second`,
    measured: `${format(processors)} processors, peak ${format(gib)} GiB, loop delay p99 ${format(loopP99Ms)} ms`,
    bar: '0.6 processors, 1 GiB, 20 ms',
    met: isFull ? processors <= 0.6 && gib <= 1 && loopP99Ms <= 20 : undefined,
  }
}

/** Wrong numbers would make fast ones worthless. */
function checkHeld({ services, scoped }: MeshSize, held: HeldCounts): void {
  const known = scoped ? Math.min(services, SERVICES_PER_NAMESPACE) : services
  const assignments = known + known
  const wrong =
    held.virtualHosts[0] !== known + 1 ||
    held.virtualHosts[1] !== known + 1 ||
    held.endpoints[0] !== assignments ||
    held.endpoints[1] !== assignments ||
    held.clusters[0] < assignments ||
    held.routes[0] < 1
  if (wrong) throw new Error(`clients hold ${JSON.stringify(held)}; ${assignments} load assignments each were expected`)
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)
}
