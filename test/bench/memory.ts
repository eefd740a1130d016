// Rows of one proxy beside Envoy on the same static bootstrap: start to the first proxied request, resident memory when idle, and with
// a thousand plaintext connections that have each been served once. Called by bench.ts.
// The complete sidecar of a mesh (ADS, certificates) holds more than this static one; budgets of DESIGN 6 are about the complete one.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endProcess } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'

export interface MemoryRow {
  readonly peer: string
  readonly startMs: number
  readonly idleMb: number
  readonly connectedMb: number
}

export interface MemoryOptions {
  readonly idleSeconds: number
  readonly connections: number
}

const REQUEST = `GET / HTTP/1.1\r\nhost: ${BENCH_HOST}\r\n\r\n`
/** Connections are opened in groups, so that no backlog overflows. */
const GROUP = 50

export async function benchMemory(options: MemoryOptions): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = []
  for (const peer of PEERS.filter(({ name, missing }) => missing === undefined && (name === 'lateen' || name === 'envoy'))) {
    rows.push(await measure(peer, options))
  }
  return rows
}

async function measure(peer: Peer, { idleSeconds, connections }: MemoryOptions): Promise<MemoryRow> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-memory-'))
  const backend = spawn(process.execPath, [path.join(import.meta.dirname, '../harness/backend-program.ts'), '0', '1024'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const sockets: net.Socket[] = []
  let proxy: ChildProcess | undefined
  try {
    const [firstLine] = (await once(backend.stdout, 'data')) as [Buffer]
    const upstreamPort = Number(firstLine.toString())
    const [adminPort = 0, listenPort = 0] = await freePorts(2)
    const hop = { name: 'memory', adminPort, listenPort, upstreamPort, direction: 'OUTBOUND' as const }
    const startedAt = performance.now()
    proxy = await peer.start({ ...hop, accessLogPath: path.join(folder, 'access.log') }, folder, '1')
    sockets.push(await served(listenPort))
    const startMs = performance.now() - startedAt
    await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
    const idleMb = residentMb(proxy)
    while (sockets.length < connections) sockets.push(...(await Promise.all(Array.from({ length: GROUP }, () => served(listenPort)))))
    return { peer: peer.name, startMs, idleMb, connectedMb: residentMb(proxy) }
  } finally {
    for (const socket of sockets) socket.destroy()
    if (proxy !== undefined) await endProcess(proxy)
    await endProcess(backend)
    rmSync(folder, { recursive: true, force: true })
  }
}

function residentMb(child: ChildProcess): number {
  return usageOf(child.pid ?? 0).rssBytes / 2 ** 20
}

/** A connection on which one request has been answered. */
async function served(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(REQUEST)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  const line = chunk.toString('latin1', 0, 15)
  if (line !== 'HTTP/1.1 200 OK') throw new Error(`the first answer of the proxy was '${line}'`)
  return socket
}
