// Row S6: what a new mutual TLS connection costs the proxy that accepts it, with a full handshake, beside Envoy and the others that use
// OpenSSL; and how many handshakes between two of our sidecars are resumed once they know each other. Called by all.ts.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { BenchBootstrap } from './bootstraps.ts'
import { mutualTlsHops, OTHERS_CPU, PROXY_CPU, startBackend } from './chains.ts'
import { median } from './data-plane.ts'
import { lateenPeer, PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { client, startProgram } from './programs.ts'
import { inScope, type Scope } from './scope.ts'
import { atLeast, atMost, ratioAtMost, type Verdict } from './verdicts.ts'

const run = promisify(execFile)
const AT_A_TIME = 8
const MAX_RATIO_TO_ENVOY = 2
/** Timing of one and the same library under another program: what is within it is the same. */
const NOISE = 1.05
const MIN_RESUMED_PERCENT = 95
/** Short connections at a time between the sidecars; those that begin before the first ticket has come cannot resume. */
const TUNNELS = 4

export async function benchHandshakes(rounds: number, seconds: number): Promise<Verdict[]> {
  const peers = PEERS.filter(({ missing }) => missing === undefined)
  const samples = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      const us = await fullHandshake(peer, seconds)
      samples.set(peer.name, [...(samples.get(peer.name) ?? []), us])
      console.log(`  S6 ${peer.name}: ${us.toFixed(0)} us per connection`)
    }
  }
  const of = (name: string): number | undefined => (samples.has(name) ? median(samples.get(name) ?? []) : undefined)
  const own = of('lateen') ?? 0
  const [nginx, haproxy] = [of('nginx'), of('haproxy')]
  const others = [...samples]
    .filter(([name]) => name !== 'lateen' && name !== 'envoy')
    .map(([name, all]) => `, ${name} ${median(all).toFixed(0)}`)
  return [
    ratioAtMost('S6', 'new mTLS connection, full handshake, one request', 'us', own, of('envoy'), MAX_RATIO_TO_ENVOY, others.join('')),
    ...(nginx === undefined
      ? []
      : [atMost('S6', 'the same, not above nginx (5 % noise)', own, nginx * NOISE, 'us', `haproxy ${haproxy?.toFixed(0)}`)]),
    atLeast('S6', 'resumed between sidecars after warm-up', await resumedPercent(seconds), MIN_RESUMED_PERCENT, '%'),
  ]
}

/** The server's side of the pair alone; the client is a program. */
function fullHandshake(peer: Peer, seconds: number): Promise<number> {
  return inScope(async (scope) => {
    const [server, caller] = await mutualTlsHops(scope.folder, await startBackend(scope.children, 100))
    if (server === undefined || caller?.upstreamTls === undefined) throw new Error('no pair')
    const pid = await start(peer, server, scope)
    const { chain, key, roots } = caller.upstreamTls
    const connect = async (forSeconds: number): Promise<number> => {
      const program = path.join(import.meta.dirname, 'handshake-program.ts')
      const args = [server.listenPort, forSeconds, AT_A_TIME, JSON.stringify({ chain, key, roots })].map(String)
      const { stdout } = await run('taskset', ['-c', String(OTHERS_CPU), process.execPath, program, ...args])
      const { connections }: { connections: number } = JSON.parse(stdout)
      return connections
    }
    await connect(1)
    const before = usageOf(pid).cpuUs
    const connections = await connect(seconds)
    return (usageOf(pid).cpuUs - before) / connections
  })
}

/** Short TCP connections through a pair of sidecars: each makes one between them. */
function resumedPercent(seconds: number): Promise<number> {
  return inScope(async (scope) => {
    const backend = await startProgram('tcp-program.ts')
    scope.children.push(backend.child)
    const [server, caller] = await mutualTlsHops(scope.folder, backend.port)
    if (server === undefined || caller === undefined) throw new Error('no pair')
    for (const hop of [server, caller]) await start(lateenPeer(), { ...hop, protocol: 'tcp' }, scope)
    await client('tcp-program.ts', [caller.listenPort, 1, TUNNELS, 100])
    const before = await handshakes(caller.adminPort)
    await client('tcp-program.ts', [caller.listenPort, seconds, TUNNELS, 100])
    const after = await handshakes(caller.adminPort)
    const [full, resumed] = [after.full - before.full, after.resumed - before.resumed]
    if (full + resumed === 0) throw new Error('no handshakes between the sidecars were counted')
    return (resumed * 100) / (full + resumed)
  })
}

async function start(peer: Peer, hop: BenchBootstrap, { folder, children }: Scope): Promise<number> {
  const child = await peer.start(hop, folder, String(PROXY_CPU))
  children.push(child)
  return child.pid ?? 0
}

async function handshakes(adminPort: number): Promise<{ readonly full: number; readonly resumed: number }> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats/prometheus`)).text()
  const of = (kind: string): number =>
    [...text.matchAll(/^lateen_proxy_tls_handshakes_total\{(.*)\} (\d+)$/gm)]
      .filter(([, labels = '']) => labels.includes(`kind="${kind}"`))
      .reduce((sum, [, , value]) => sum + Number(value), 0)
  return { full: of('full'), resumed: of('resumed') }
}
