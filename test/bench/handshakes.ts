// Row S6: what a new mutual TLS connection costs the proxy that accepts it, with a full handshake, beside Envoy and the others that use
// OpenSSL; and how many handshakes between two of our sidecars are resumed once they know each other. Called by all.ts.
import { type ChildProcess, execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { BenchBootstrap } from './bootstraps.ts'
import { mutualTlsHops, OTHERS_CPU, PROXY_CPU, startBackend } from './chains.ts'
import { lateenPeer, PEERS, type Peer } from './peers.ts'
import { client, startProgram } from './programs.ts'
import { inScope, type Scope } from './scope.ts'
import { median, takeTurns, withCost } from './turns.ts'
import { atLeast, atMost, ratioAtMost, type Verdict } from './verdicts.ts'
import { type Size, warmBySlices } from './warm-up.ts'

const run = promisify(execFile)
const AT_A_TIME = 8
const CLASSIC_GROUP = 'X25519'
/** What each of them runs through is compiled by then. */
const WARM_CONNECTIONS = 4000
const MAX_RATIO_TO_ENVOY = 2
/** Timing of one and the same library under another program: what is within it is the same. */
const NOISE = 1.05
const MIN_RESUMED_PERCENT = 95
/** Short connections at a time between the sidecars; those that begin before the first ticket has come cannot resume. */
const TUNNELS = 4

export async function benchHandshakes(size: Size): Promise<Verdict[]> {
  return [
    ...(await fullHandshakes(size, 'new mTLS connection, full handshake, one request')),
    // nginx and HAProxy of a distribution may have an OpenSSL without the hybrid exchange that ours agrees on: the same work for everybody.
    ...(await fullHandshakes(size, `the same with ${CLASSIC_GROUP} alone`, CLASSIC_GROUP)),
    atLeast('S6', 'resumed between sidecars after warm-up', await resumedPercent(size.seconds), MIN_RESUMED_PERCENT, '%'),
  ]
}

async function fullHandshakes(size: Size, told: string, groups?: string): Promise<Verdict[]> {
  const samples = await measureHandshakes(size, groups)
  const of = (name: string): number | undefined => (samples.has(name) ? median(samples.get(name) ?? []) : undefined)
  const own = of('lateen') ?? 0
  const [nginx, haproxy] = [of('nginx'), of('haproxy')]
  const others = [...samples]
    .filter(([name]) => name !== 'lateen' && name !== 'envoy')
    .map(([name, all]) => `, ${name} ${median(all).toFixed(0)}`)
  return [
    ratioAtMost('S6', told, 'us', own, of('envoy'), MAX_RATIO_TO_ENVOY, others.join('')),
    ...(nginx === undefined
      ? []
      : [atMost('S6', `${told}: not above nginx (5 % noise)`, own, nginx * NOISE, 'us', `haproxy ${haproxy?.toFixed(0)}`)]),
  ]
}

/** Microseconds per connection, of each peer in each round. */
function measureHandshakes(
  { rounds, seconds, warmUp: { maxSeconds } }: Size,
  groups: string | undefined,
): Promise<ReadonlyMap<string, readonly number[]>> {
  return inScope(async (scope) => {
    const lanes: HandshakeLane[] = []
    for (const peer of PEERS.filter(({ missing }) => missing === undefined)) {
      const lane = await startHandshakes(peer, scope, groups)
      await warmBySlices(lane.connect, WARM_CONNECTIONS, maxSeconds)
      lanes.push(lane)
    }
    const samples = new Map<string, number[]>(lanes.map(({ name }) => [name, []]))
    await takeTurns(rounds, lanes, async ({ name, proxy, connect }) => {
      const { done: connections, cpuUs } = await withCost([proxy], () => connect(seconds))
      samples.get(name)?.push(cpuUs / connections)
      console.log(`  S6 ${name}${groups === undefined ? '' : `, ${groups}`}: ${(cpuUs / connections).toFixed(0)} us per connection`)
    })
    return samples
  })
}

interface HandshakeLane {
  readonly name: string
  readonly proxy: ChildProcess
  /** @returns how many connections were made and served. */
  readonly connect: (seconds: number) => Promise<number>
}

/** The server's side of the pair alone; the client is a program. */
async function startHandshakes(peer: Peer, { folder, children }: Scope, groups: string | undefined): Promise<HandshakeLane> {
  const own = path.join(folder, peer.name)
  mkdirSync(own)
  const [server, caller] = await mutualTlsHops(own, await startBackend(children, 100))
  if (server === undefined || caller?.upstreamTls === undefined) throw new Error('no pair')
  const proxy = await start(peer, server, { folder: own, children })
  const { chain, key, roots } = caller.upstreamTls
  const connect = async (seconds: number): Promise<number> => {
    const program = path.join(import.meta.dirname, 'handshake-program.ts')
    const args = [
      server.listenPort,
      seconds,
      AT_A_TIME,
      JSON.stringify({ chain, key, roots }),
      ...(groups === undefined ? [] : [groups]),
    ].map(String)
    const { stdout } = await run('taskset', ['-c', String(OTHERS_CPU), process.execPath, program, ...args])
    const { connections }: { connections: number } = JSON.parse(stdout)
    return connections
  }
  return { name: peer.name, proxy, connect }
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

async function start(peer: Peer, hop: BenchBootstrap, { folder, children }: Scope): Promise<ChildProcess> {
  const child = await peer.start(hop, folder, String(PROXY_CPU))
  children.push(child)
  return child
}

async function handshakes(adminPort: number): Promise<{ readonly full: number; readonly resumed: number }> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats/prometheus`)).text()
  const of = (kind: string): number =>
    [...text.matchAll(/^lateen_proxy_tls_handshakes_total\{(.*)\} (\d+)$/gm)]
      .filter(([, labels = '']) => labels.includes(`kind="${kind}"`))
      .reduce((sum, [, , value]) => sum + Number(value), 0)
  return { full: of('full'), resumed: of('resumed') }
}
