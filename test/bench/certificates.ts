// The row C7 (npm run bench -- certificates): certificates per second of one core, from request to answer over TLS, through the product's
// own gRPC server. CPU time of the server's process is what counts, its worker threads included: the machine is shared, and the clients run
// elsewhere. Three ways of asking, because what TLS costs depends on it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, loadavg } from 'node:os'
import path from 'node:path'
import type { ClientOrder } from './certificate-clients.ts'
import type { CertificateOrder } from './certificate-server.ts'

export interface CertificateRow {
  readonly what: string
  readonly certificates: number
  readonly cpuUsEach: number
  /** One second of CPU time divided by the above. */
  readonly perCoreSecond: number
  readonly perSecond: number
  readonly load: number
  /** The bare cryptography at the same time, which tells a busy machine from a slow program. */
  readonly bareUs: number
}

/** DESIGN 6. */
export const MIN_PER_CORE_SECOND = 1000

export async function benchCertificates(identities: number, each: number): Promise<readonly CertificateRow[]> {
  const server = start('certificate-server.ts', 0)
  const clients = start('certificate-clients.ts', 1)
  try {
    const [{ port, rootsPem }] = await Promise.all([server.next('port'), clients.next('ready')])
    server.send({ do: 'tokens', count: identities })
    const { tokens } = await server.next('tokens')
    const made = clients.next('made')
    const joined = clients.next('issued')
    clients.send({ do: 'join', port: Number(port), rootsPem: String(rootsPem), tokens: tokens as readonly string[] })
    await made
    const rows = [await measure(server, 'first certificate: a new connection, a join token', joined)]
    for (const [keep, rounds, what] of [
      [true, 4, ''],
      [true, each, 'renewal on a connection that is there'],
      [false, 2, ''],
      [false, Math.ceil(each / 4), 'renewal on a new connection, mutual TLS'],
    ] as const) {
      const issued = clients.next('issued')
      const row = measure(server, what, issued)
      clients.send({ do: 'renew', keep, each: rounds })
      const measured = await row
      // The first of each pair warms up.
      if (what !== '') rows.push(measured)
    }
    return rows
  } finally {
    await Promise.all([server.stop(), clients.stop()])
  }
}

async function measure(server: Child, what: string, running: Promise<Readonly<Record<string, unknown>>>): Promise<CertificateRow> {
  const before = await usage(server)
  const { issued, ms } = await running
  const after = await usage(server)
  const answered = server.next('bareUs')
  server.send({ do: 'bare' })
  const bareUs = Number((await answered).bareUs)
  const certificates = Number(issued)
  if (after.auditLines - before.auditLines < certificates * 0.9)
    throw new Error(`${after.auditLines - before.auditLines} audit lines for ${certificates}`)
  const cpuUsEach = (after.cpuUs - before.cpuUs) / certificates
  return {
    what,
    certificates,
    cpuUsEach,
    perCoreSecond: 1e6 / cpuUsEach,
    perSecond: (certificates / Number(ms)) * 1000,
    load: loadavg()[0] ?? 0,
    bareUs,
  }
}

async function usage(server: Child): Promise<{ readonly cpuUs: number; readonly auditLines: number }> {
  const answered = server.next('cpuUs')
  server.send({ do: 'usage' })
  const { cpuUs, auditLines } = await answered
  return { cpuUs: Number(cpuUs), auditLines: Number(auditLines) }
}

interface Child {
  send(order: CertificateOrder | ClientOrder): void
  /** The next message that has this field. */
  next(field: string): Promise<Readonly<Record<string, unknown>>>
  stop(): Promise<void>
}

function start(program: string, processor: number): Child {
  const profile = process.env.BENCH_PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`]
  const node = [process.execPath, ...profile, path.join(import.meta.dirname, program)]
  const command = availableParallelism() > 1 ? ['taskset', '-c', String(processor), ...node] : node
  const started: ChildProcess = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    send: (order) => void started.send(order),
    next: (field) =>
      new Promise((resolve, reject) => {
        const look = (message: Readonly<Record<string, unknown>>): void => {
          if (!(field in message)) return
          started.off('message', look)
          resolve(message)
        }
        started.on('message', look)
        started.setMaxListeners(0).once('exit', (code) => reject(new Error(`${program} ended with ${code}`)))
      }),
    async stop() {
      if (started.exitCode !== null) return
      const gone = once(started, 'exit')
      started.disconnect()
      await gone
    },
  }
}
