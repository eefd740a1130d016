// Row S13: a thousand pushes a minute under 2,000 requests a second: how late the proxy's loop is, that no stream is cut (gRPC streams that
// last the whole time among them), and that every push is acknowledged. Called by all.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { runLoadProcess } from '../harness/load-process.ts'
import { freePorts } from '../harness/ports.ts'
import { BENCH_HOST, type BenchBootstrap } from './bootstraps.ts'
import { OTHERS_CPU, PROXY_CPU, startBackend } from './chains.ts'
import { lateenPeer } from './peers.ts'
import { client, startProgram } from './programs.ts'
import { inScope, type Scope } from './scope.ts'
import { atMost, reported, type Verdict } from './verdicts.ts'

export interface PushOrder {
  readonly perMinute: number
  readonly seconds: number
}

export interface PushReport {
  readonly sent: number
  readonly acknowledged: number
  readonly refused: readonly string[]
}

const PER_MINUTE = 1000
const RATE_PER_SECOND = 2000
const MAX_LATE_MS = 10
const WARM_SECONDS = 4
/** Connections and streams on each. */
const STREAMS = [2, 5] as const
const PROBE = path.join(import.meta.dirname, 'loop-delay-probe.ts')

export async function benchPushes(seconds: number): Promise<Verdict[]> {
  return [...(await underRequests(seconds)), await underStreams(seconds)]
}

/** Requests of 16 connections; the probe counts only once the code is warm. */
function underRequests(seconds: number): Promise<Verdict[]> {
  return inScope(async (scope) => {
    const probed = path.join(scope.folder, 'loop-delay.json')
    const preload = `${pathToFileURL(PROBE)}?file=${encodeURIComponent(probed)}&after=${WARM_SECONDS}`
    const { hop, plane } = await startPushed(scope, await startBackend(scope.children), 'http1', ['--import', preload])
    const load = { host: '127.0.0.1', port: hop.listenPort, method: 'GET' as const, path: '/reviews/0', headers: { host: BENCH_HOST } }
    await runLoadProcess({ ...load, connections: 64, durationMs: (WARM_SECONDS - 1) * 1000 }, OTHERS_CPU)
    const pushed = push(plane, { perMinute: PER_MINUTE, seconds })
    const report = await runLoadProcess(
      { ...load, connections: 16, ratePerSecond: RATE_PER_SECOND, durationMs: seconds * 1000 },
      OTHERS_CPU,
    )
    const { sent, acknowledged, refused } = await pushed
    const late: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number } = JSON.parse(
      readFileSync(probed, 'utf8'),
    )
    const others = `p50 ${late.p50.toFixed(1)}, p99 ${late.p99.toFixed(1)}, max ${late.max.toFixed(1)} ms`
    return [
      atMost('S13', `loop delay p99.9, ${PER_MINUTE} pushes/min, ${RATE_PER_SECOND} rps`, late.p999, MAX_LATE_MS, 'ms', others),
      atMost('S13', `${report.sent} requests meanwhile: not answered with 200`, report.sent - (report.statuses[200] ?? 0), 0, 'requests'),
      atMost('S13', `${sent} pushes: not acknowledged`, sent - acknowledged, 0, 'pushes', refused[0] ?? ''),
    ]
  })
}

/** Streams end only when the client is done: it fails when one is reset. */
function underStreams(seconds: number): Promise<Verdict> {
  return inScope(async (scope) => {
    const backend = await startProgram('grpc-stream-program.ts')
    scope.children.push(backend.child)
    const { hop, plane } = await startPushed(scope, backend.port, 'http2')
    const pushed = push(plane, { perMinute: PER_MINUTE, seconds })
    const what = `${STREAMS[0] * STREAMS[1]} gRPC streams over the same pushes`
    try {
      const { units = 0 } = await client('grpc-stream-program.ts', [hop.listenPort, seconds, ...STREAMS])
      await pushed
      return { ...reported('S13', what, 'none cut', `${units} messages`), bar: 'none cut', met: units > 0 }
    } catch (error) {
      return { ...reported('S13', what, 'cut', String(error)), bar: 'none cut', met: false }
    }
  })
}

export interface Pushed {
  readonly hop: BenchBootstrap
  readonly plane: ChildProcess
  readonly proxy: ChildProcess
}

async function startPushed(
  scope: Scope,
  upstreamPort: number,
  protocol: 'http1' | 'http2',
  execArgv: readonly string[] = [],
): Promise<Pushed> {
  const [adminPort = 0, listenPort = 0] = await freePorts(2)
  const accessLogPath = path.join(scope.folder, 'access.log')
  return startOnPushes(
    scope,
    { name: 'pushed', adminPort, listenPort, upstreamPort, accessLogPath, direction: 'OUTBOUND', protocol },
    execArgv,
  )
}

/** A proxy with a control plane of its own. */
export async function startOnPushes(
  scope: Scope,
  hop: BenchBootstrap,
  execArgv: readonly string[] = [],
  more: object = {},
): Promise<Pushed> {
  const program = path.join(import.meta.dirname, 'push-program.ts')
  // Any port: it only has to be told that there is a control plane.
  const told = JSON.stringify({ hop: { ...hop, xdsPort: 1 }, ...more })
  const plane = spawn('taskset', ['-c', String(OTHERS_CPU), process.execPath, program, told], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  scope.children.push(plane)
  if (plane.stdout === null) throw new Error('no output')
  const [firstLine] = await once(plane.stdout, 'data')
  const proxy = await lateenPeer(execArgv).start({ ...hop, xdsPort: Number(String(firstLine)) }, scope.folder, String(PROXY_CPU))
  scope.children.push(proxy)
  return { hop, plane, proxy }
}

export async function push(plane: ChildProcess, order: PushOrder): Promise<PushReport> {
  const answered = once(plane, 'message')
  plane.send(order)
  const [report] = await answered
  // What push-program.ts sends, and nothing else does.
  return report as PushReport
}
