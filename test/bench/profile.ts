// npm run bench -- --profile ROW: our proxy under the load of a row (S1, S2, S2h2, or a row of the protocols), with V8's sampling profiler
// on; writes a flame graph and the profile it was made of, and prints the dearest functions. Called by bench.ts.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runLoadProcess } from '../harness/load-process.ts'
import { freePorts } from '../harness/ports.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { OTHERS_CPU, PROXY_CPU, startChain } from './chains.ts'
import { SCENARIOS } from './data-plane.ts'
import { type CpuProfile, dearest, flameGraph } from './flame-graph.ts'
import { lateenPeer } from './peers.ts'
import { TRAFFIC } from './protocol-traffic.ts'
import { inScope, type Scope } from './scope.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../.cache/bench')
const TOLD = 25
/** Between asking for a stop and cutting what is left: the profile is written at the end of the process. */
const GRACE_MS = 500

/** @returns the file of the flame graph. */
export function profile(row: string, seconds: number): Promise<string> {
  return inScope(async (scope) => {
    const profiles = path.join(scope.folder, 'profiles')
    const peer = lateenPeer(['--cpu-prof', `--cpu-prof-dir=${profiles}`])
    const proxies = await underLoad(row, seconds, peer, scope)
    for (const proxy of proxies) await stop(proxy)
    mkdirSync(FOLDER, { recursive: true })
    // The last one that was started is the one that clients see; both sides of a pair have one.
    const largest = readdirSync(profiles)
      .map((name) => path.join(profiles, name))
      .sort((a, b) => statSync(b).size - statSync(a).size)[0]
    if (largest === undefined) throw new Error('no profile was written')
    const read: CpuProfile = JSON.parse(readFileSync(largest, 'utf8'))
    for (const [name, share] of dearest(read, TOLD)) console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`)
    const file = path.join(FOLDER, `${row}.svg`)
    writeFileSync(file, flameGraph(read, row))
    copyFileSync(largest, path.join(FOLDER, `${row}.cpuprofile`))
    return file
  })
}

async function underLoad(
  row: string,
  seconds: number,
  peer: ReturnType<typeof lateenPeer>,
  scope: Scope,
): Promise<readonly ChildProcess[]> {
  const { folder, children } = scope
  const scenario = SCENARIOS.find((each) => each === row)
  if (scenario !== undefined) {
    const { entryPort, proxies } = await startChain(peer, scenario, folder, children)
    const plan = { host: '127.0.0.1', port: entryPort, connections: 64, durationMs: seconds * 1000, method: 'GET' as const, path: '/' }
    await runLoadProcess({ ...plan, headers: { host: BENCH_HOST } }, OTHERS_CPU)
    return proxies
  }
  const traffic = TRAFFIC.find((each) => each.row === row)
  if (traffic === undefined)
    throw new Error(`no such row: ${row}; there are ${[...SCENARIOS, ...TRAFFIC.map((each) => each.row)].join(', ')}`)
  const backend = await traffic.startBackend(folder)
  children.push(backend.child)
  const [adminPort = 0, listenPort = 0] = await freePorts(2)
  const hop = { name: 'profile', adminPort, listenPort, upstreamPort: backend.port, direction: 'OUTBOUND' as const }
  const accessLogPath = path.join(folder, 'access.log')
  const proxy = await peer.start({ ...hop, protocol: traffic.protocol, accessLogPath }, folder, String(PROXY_CPU))
  children.push(proxy)
  await traffic.run({ port: listenPort, seconds, folder })
  return [proxy]
}

/** The second signal cuts what the first one lets finish. */
async function stop(proxy: ChildProcess): Promise<void> {
  const gone = once(proxy, 'exit')
  proxy.kill('SIGTERM')
  await Promise.race([gone, sleep(GRACE_MS)])
  proxy.kill('SIGTERM')
  await gone
}
