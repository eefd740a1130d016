// The applications behind a drill's proxy: a process that can be killed and stopped, and a server of the test's own that speaks octets.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { connects, freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { endChild } from './sidecar.ts'
import type { Identities, Wire } from './wires.ts'

const PROGRAM = path.join(import.meta.dirname, 'backend-program.ts')

export interface Backend {
  readonly host: string
  readonly port: number
  stop(): void
  go(): void
  /** Resolves when the process is gone. */
  kill(): Promise<void>
  /** On the same port; resolves when it accepts. */
  restart(): Promise<void>
}

export interface BackendOptions {
  readonly wire: Wire
  readonly identities: Identities | undefined
  readonly under?: readonly string[] | undefined
  readonly host?: string | undefined
}

/** On a port that it keeps. */
export async function startBackend(t: TestContext, { wire, identities, under = [], host = '127.0.0.1' }: BackendOptions): Promise<Backend> {
  const [port = 0] = await freePorts(1)
  const start = (): ChildProcess => {
    const [program = '', ...args] = [...under, process.execPath, PROGRAM]
    const env = { ...process.env, HOST: host, PORT: String(port), PROTOCOL: wire.protocol, CERTIFICATES: identities?.folder ?? '' }
    return spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env })
  }
  let child = start()
  t.after(() => endChild(child))
  const accepts = (): Promise<true> =>
    waitFor(() => connects(port, host), { what: 'the application', timeoutMs: 45_000, while: () => child.exitCode === null })
  await accepts()
  return {
    host,
    port,
    stop: () => void child.kill('SIGSTOP'),
    go: () => void child.kill('SIGCONT'),
    kill: () => endChild(child),
    restart: async () => {
      child = start()
      await accepts()
    },
  }
}

export interface Octets {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

/** Does with each connection what the test says. @param port 0: any. */
export async function startOctets(t: TestContext, serve: (socket: net.Socket) => void, port = 0): Promise<Octets> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.after(close)
  const address = server.address()
  return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0, close }
}
