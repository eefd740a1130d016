// Row S12 (npm run bench -- churn [--minutes N]): ten minutes in which nothing stays as it is: new mutual TLS connections, short and broken
// ones, slow readers that give up, pushes, renewed certificates, under steady traffic through a pair of sidecars. After two minutes
// resident memory must not grow: what leaks a little leaks for weeks. Not part of `all`, which should end the same day.
import { execFile } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { issueTestCertificates } from '../harness/certificates.ts'
import { accountedFor, runLoadProcess } from '../harness/load-process.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { mutualTlsHops, OTHERS_CPU, PROXY_CPU, startBackend } from './chains.ts'
import { lateenPeer } from './peers.ts'
import { usageOf } from './processes.ts'
import { push, startOnPushes } from './pushes.ts'
import { inScope } from './scope.ts'
import { median } from './turns.ts'
import { atMost, reported, type Verdict } from './verdicts.ts'

const run = promisify(execFile)
const BODY_BYTES = 16 * 1024
const RATE_PER_SECOND = 300
const PUSHES_PER_MINUTE = 300
const ROTATED = 8
const SLOW_READERS = 8
/** A slow reader asks for this many answers at once and takes one read of them. */
const PIPELINED = 64
const SLOW_MS = 500
const SAMPLE_MS = 1000
/** Of the last fifth over the first one after the warm-up: what the allocator and the collector move about by themselves. */
const MAX_GROWTH_PERCENT = 3
const SETTLE_SHARE = 0.2

export async function benchChurn(minutes: number): Promise<Verdict[]> {
  const seconds = Math.round(minutes * 60)
  return inScope(async (scope) => {
    const [server, caller] = await mutualTlsHops(scope.folder, await startBackend(scope.children, BODY_BYTES))
    if (server?.downstreamTls === undefined || caller?.upstreamTls === undefined) throw new Error('no pair')
    const { peer, ...own } = caller.upstreamTls
    // One root for all: a folder of their own, with both identities again.
    const [callerFiles, ...serverFiles] = issueTestCertificates(scope.folder, [
      server.downstreamTls.peer,
      ...Array<string>(ROTATED).fill(peer),
    ])
    const pushed = { ...server, downstreamTls: { ...server.downstreamTls, pushed: true } }
    const { proxy, plane } = await startOnPushes(scope, pushed, [], { certificates: serverFiles })
    const client = await lateenPeer().start({ ...caller, upstreamTls: { peer, ...own, ...callerFiles } }, scope.folder, String(PROXY_CPU))
    scope.children.push(client)
    const pids = { 'inbound sidecar': proxy.pid ?? 0, 'outbound sidecar': client.pid ?? 0 }

    const over = new AbortController()
    const sampled = sample(pids, over.signal)
    const slow = Array.from({ length: SLOW_READERS }, () => readSlowly(caller.listenPort, over.signal))
    const headers = { host: BENCH_HOST }
    const load = { host: '127.0.0.1', port: caller.listenPort, connections: 16, ratePerSecond: RATE_PER_SECOND, headers }
    const [report, pushReport, handshakes] = await Promise.all([
      runLoadProcess({ ...load, durationMs: seconds * 1000, method: 'GET', path: '/' }, OTHERS_CPU),
      push(plane, { perMinute: PUSHES_PER_MINUTE, seconds }),
      newConnections(server.listenPort, seconds, callerFiles),
    ])
    over.abort()
    await Promise.all(slow)
    const failed = report.sent - (report.statuses[200] ?? 0)
    const told = `${report.sent} requests, ${pushReport.sent} pushes, ${handshakes} new mTLS connections`
    return [
      ...[...(await sampled)].map(([name, mb]) => growth(name, mb, seconds)),
      atMost('S12', `${told}: failed`, failed + report.sent - accountedFor(report), 0, 'requests', JSON.stringify(report.broken)),
      atMost('S12', 'pushes not acknowledged', pushReport.sent - pushReport.acknowledged, 0, 'pushes', pushReport.refused[0] ?? ''),
    ]
  })
}

function growth(name: string, mb: readonly number[], seconds: number): Verdict {
  // Two minutes of ten, and as great a part of a shorter run.
  const settled = mb.slice(Math.floor(mb.length * SETTLE_SHARE))
  const fifth = Math.max(1, Math.floor(settled.length / 5))
  const [first, last] = [median(settled.slice(0, fifth)), median(settled.slice(-fifth))]
  const what = `${name}: RSS growth over ${Math.round(seconds * (1 - SETTLE_SHARE))} s`
  const beside = `${first.toFixed(1)} to ${last.toFixed(1)} MB, peak ${Math.max(...mb).toFixed(1)}`
  if (mb.length < 60) return reported('S12', what, `${(last - first).toFixed(1)} MB`, `${beside}; too short to judge`)
  return atMost('S12', what, ((last - first) * 100) / first, MAX_GROWTH_PERCENT, '%', beside)
}

async function sample(pids: Readonly<Record<string, number>>, over: AbortSignal): Promise<ReadonlyMap<string, readonly number[]>> {
  const all = new Map<string, number[]>(Object.keys(pids).map((name) => [name, []]))
  while (!over.aborted) {
    for (const [name, pid] of Object.entries(pids)) all.get(name)?.push(usageOf(pid).rssBytes / 2 ** 20)
    await sleep(SAMPLE_MS)
  }
  return all
}

async function newConnections(port: number, seconds: number, files: object | undefined): Promise<number> {
  const program = path.join(import.meta.dirname, 'handshake-program.ts')
  const args = [String(port), String(seconds), '1', JSON.stringify(files)]
  const { stdout } = await run('taskset', ['-c', String(OTHERS_CPU), process.execPath, program, ...args])
  const { connections }: { readonly connections: number } = JSON.parse(stdout)
  return connections
}

/** Asks for much, takes a little, and goes. */
async function readSlowly(port: number, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    socket.write(`GET / HTTP/1.1\r\nhost: ${BENCH_HOST}\r\n\r\n`.repeat(PIPELINED))
    socket.once('data', () => socket.pause())
    await sleep(SLOW_MS)
    socket.destroy()
  }
}
