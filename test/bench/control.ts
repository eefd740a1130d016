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
  const waiting: {
    readonly field: string
    readonly resolve: (message: Record<string, unknown>) => void
    readonly reject: (error: Error) => void
  }[] = []
  started.on('exit', (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`${program} ended with ${code}`))
  })
  started.on('message', (message: Record<string, unknown>) => {
    const at = waiting.findIndex(({ field }) => field in message)
    if (at !== -1) for (const { resolve } of waiting.splice(at, 1)) resolve(message)
  })
  return {
    process: started,
    send: (order) => void started.send(order),
    next: (field) =>
      new Promise((resolve, reject) => {
        waiting.push({ field, resolve, reject })
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

type Size = Pick<MeshSize, 'services' | 'clients'>

const FULL: Size = { services: 1000, clients: 2000 }
/** Times depend on the machine and on who else uses it; at this size only what does not is judged. */
const SHORT: Size = { services: 100, clients: 100 }

function isSize(size: Size, other: Size): boolean {
  return size.services === other.services && size.clients === other.clients
}

interface Check {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** Undefined: only told. */
  readonly full?: number | undefined
  readonly short?: number | undefined
}

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
  const rows: ControlRow[] = []
  const done = (row: ControlRow): void => {
    rows.push(row)
    options.onRow(row)
  }
  const add: AddRow = (row, what, checks) => {
    const judged = checks.flatMap(({ value, unit, ...bars }) => {
      const bar = isSize(size, FULL) ? bars.full : isSize(size, SHORT) ? bars.short : undefined
      return bar === undefined ? [] : [{ bar: `${format(bar)} ${unit}`, met: value <= bar }]
    })
    done({
      ...{ row, what },
      measured: checks.map(({ name, value, unit }) => `${name} ${format(value)} ${unit}`).join(', '),
      bar: judged.length === 0 ? undefined : judged.map(({ bar }) => bar).join(', '),
      met: judged.length === 0 ? undefined : judged.every(({ met }) => met),
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
    const bars = size.scoped ? { seconds: 4.95, cpu: 4.7, gib: 0.675, kib: 85.5 } : { seconds: 51.2, cpu: 50, gib: 1.5, kib: 5172 }
    add(size.scoped ? 'C1' : 'C2', `first sync of ${size.clients} clients, ${size.services} services, ${scope}`, [
      { name: 'all in sync', value: seconds, unit: 's', full: bars.seconds },
      { name: 'CPU', value: cpu, unit: 's', full: bars.cpu },
      { name: 'peak', value: gib, unit: 'GiB', full: bars.gib, short: 0.4 },
      { name: 'a client', value: kib, unit: 'KiB', full: bars.kib, short: size.scoped ? 86 : 420 },
      { name: 'refusals', value: Number(first.refusals), unit: '', full: 0, short: 0 },
    ])
    // Before the changes, or the new process would know another mesh.
    if (options.rows.includes('C5')) {
      clients.send({ do: 'connect', port: Number(port) })
      await server.stop()
      const restartMs = performance.now()
      server = child('control-server.ts', { size, port }, 0)
      await server.next('port')
      const again = await clients.next('synced')
      add('C5', `restart with ${size.clients} clients connected, ${scope}`, [
        { name: 'all in sync', value: (performance.now() - restartMs) / 1000, unit: 's', full: 15 },
        { name: 'refusals', value: Number(again.refusals), unit: '', full: 0, short: 0 },
        // Empty answers: nothing has changed.
        { name: 'a client', value: Number(again.bytes) / 1024 / size.clients, unit: 'KiB', full: 2, short: 2 },
      ])
    }
    pid = server.process.pid ?? 0
    await changesOf({ server, clients, size, add, rows: options.rows })
    if (options.rows.includes('C6')) await churn({ server, clients, size, add, rows: options.rows }, options.churnSeconds)
  } finally {
    await clients?.stop()
    await server.stop()
  }
  return rows
}

type AddRow = (row: string, what: string, checks: readonly Check[]) => void

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
    const { p50, p99, bytes } = await propagations(server, clients, ENDPOINT_TYPE, changes, (client) => ({ do: 'endpoint', client }))
    const bars = size.scoped ? { p50: 120, p99: 126 } : { p50: 262, p99: 438 }
    add('C3', `one endpoint to the last of ${changes} clients, ${scope}`, [
      { name: 'p50', value: p50, unit: 'ms', full: bars.p50 },
      { name: 'p99', value: p99, unit: 'ms', full: bars.p99 },
      { name: 'a client', value: bytes / 1024 / changes, unit: 'KiB', full: 4, short: 4 },
    ])
  }
  if (rows.includes('C4')) {
    const cpuBefore = usageOf(pid).cpuUs
    const change = (at: number): ServerOrder => ({ do: 'virtual-service', service: at * 2, weight: 50 + at })
    const { p50, p99, bytes } = await propagations(server, clients, VIRTUAL_HOST_TYPE, changes, change)
    // Scoped, the time that it takes is the bar; processor time is told.
    const bars = size.scoped ? { p50: 136, p99: 256, cpu: undefined } : { p50: 1080, p99: 1980, cpu: 1.95 }
    add('C4', `one VirtualService to ${changes} clients, ${scope}`, [
      { name: 'p50', value: p50, unit: 'ms', full: bars.p50 },
      { name: 'p99', value: p99, unit: 'ms', full: bars.p99 },
      { name: 'CPU', value: (usageOf(pid).cpuUs - cpuBefore) / 1e6 / CHANGES, unit: 's', full: bars.cpu },
      { name: 'a client', value: bytes / 1024 / changes, unit: 'KiB', full: 3, short: 3 },
    ])
  }
}

/** So many changes of each kind, each after a quiet time; what is told of them is told of all together. */
const CHANGES = 3
const QUIET_MS = 2500

async function propagations(
  server: Child,
  clients: Child,
  typeUrl: string,
  count: number,
  orderOf: (at: number) => ServerOrder,
): Promise<{ readonly p50: number; readonly p99: number; readonly bytes: number }> {
  const latencies: number[] = []
  let bytes = 0
  for (let at = 0; at < CHANGES; at++) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    const one = await propagation(server, clients, orderOf(at), typeUrl, count)
    latencies.push(...one.latencies)
    bytes += one.bytes / CHANGES
  }
  latencies.sort((a, b) => a - b)
  const share = (part: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? Number.NaN
  return { p50: share(0.5), p99: share(0.99), bytes }
}

async function propagation(
  server: Child,
  clients: Child,
  order: ServerOrder,
  typeUrl: string,
  count: number,
): Promise<{ readonly latencies: readonly number[]; readonly bytes: number }> {
  clients.send({ do: 'expect', typeUrl, clients: count })
  await clients.next('expecting')
  const changed = server.next('changedAtMs')
  const seen = clients.next('seen')
  server.send(order)
  const { changedAtMs } = await changed
  const { seen: times, bytes } = await seen
  return { latencies: (Array.isArray(times) ? times : []).map((atMs) => Number(atMs) - Number(changedAtMs)), bytes: Number(bytes) }
}

/** Twenty changes a second, nineteen of endpoints to one of a VirtualService, while everybody stays connected. */
async function churn({ server, size, add }: Running, seconds: number): Promise<void> {
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
  add('C6', `${seconds} s of 20 changes a second, ${size.scoped ? 'scoped' : 'unscoped'}`, [
    { name: 'processors', value: processors, unit: '', full: 0.6 },
    { name: 'peak', value: gib, unit: 'GiB', full: 1, short: 0.5 },
    { name: 'loop delay p99', value: loopP99Ms, unit: 'ms', full: 20 },
  ])
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
