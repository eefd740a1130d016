// Row S7, the slow half: a large answer streamed to a client that reads slower than it could be sent. What counts is the most memory that
// the proxy ever took: only back-pressure keeps it small. Called by all.ts.
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../harness/ports.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { PROXY_CPU } from './chains.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { startProgram } from './programs.ts'
import { inScope } from './scope.ts'
import { atMost, type Verdict } from './verdicts.ts'

const MIB = 2 ** 20
const MAX_PEAK_MB = 100
/** Reads this much, then waits: about 128 MiB a second, a tenth of what the proxy could do. */
const SIP = 2 * MIB
const SIP_MS = 15

export async function benchSlowReader(mib: number): Promise<Verdict[]> {
  const peaks = new Map<string, number>()
  // nginx puts what is not taken into files.
  for (const peer of PEERS.filter(({ name, missing }) => missing === undefined && name !== 'nginx'))
    peaks.set(peer.name, await peakMb(peer, mib))
  const beside = [...peaks].filter(([name]) => name !== 'lateen').map(([name, mb]) => `${name} ${mb.toFixed(0)} MB`)
  return [atMost('S7', `${mib} MiB streamed to a slow reader, peak RSS`, peaks.get('lateen') ?? 0, MAX_PEAK_MB, 'MB', beside.join(', '))]
}

function peakMb(peer: Peer, mib: number): Promise<number> {
  return inScope(async ({ folder, children }) => {
    const backend = await startProgram('stream-program.ts', [String(mib)])
    children.push(backend.child)
    const [adminPort = 0, listenPort = 0] = await freePorts(2)
    const hop = { name: 'slow', adminPort, listenPort, upstreamPort: backend.port, direction: 'OUTBOUND' as const }
    const proxy = await peer.start({ ...hop, accessLogPath: path.join(folder, 'access.log') }, folder, String(PROXY_CPU))
    children.push(proxy)
    const got = await readSlowly(listenPort)
    if (got < mib * MIB) throw new Error(`${peer.name}: ${got} octets of ${mib} MiB`)
    return usageOf(proxy.pid ?? 0).peakBytes / MIB
  })
}

async function readSlowly(port: number): Promise<number> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.write(`GET /large HTTP/1.1\r\nhost: ${BENCH_HOST}\r\nconnection: close\r\n\r\n`)
  let got = 0
  let sip = 0
  socket.on('data', (chunk: Buffer) => {
    got += chunk.length
    sip += chunk.length
    if (sip < SIP) return
    sip = 0
    socket.pause()
    void sleep(SIP_MS).then(() => socket.resume())
  })
  await once(socket, 'close')
  return got
}
