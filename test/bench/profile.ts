// npm run bench -- --profile ROW: our proxy under the load of a row (S1, S2, S2h2, or a row of the protocols), with V8's sampling profiler
// on; writes a flame graph and the profile it was made of, and prints the dearest functions. What is shown is the warm proxy: it is started
// and warmed up as for the row itself, and the profile is cut to what came after. Called by bench.ts.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SCENARIOS } from './data-plane.ts'
import { dearest, flameGraph, lastOf } from './flame-graph.ts'
import { Lane, SATURATED } from './lanes.ts'
import { lateenPeer } from './peers.ts'
import { TRAFFIC } from './protocol-traffic.ts'
import { startTraffic, warmTraffic } from './protocols.ts'
import { inScope, type Scope } from './scope.ts'
import { SHORT_WARM_UP } from './warm-up.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../.cache/bench')
const TOLD = 25
/** Between asking for a stop and cutting what is left: the profile is written at the end of the process. */
const GRACE_MS = 500

/** @returns the file of the flame graph. */
export function profile(row: string, seconds: number): Promise<string> {
  return inScope(async (scope) => {
    const profiles = path.join(scope.folder, 'profiles')
    const peer = lateenPeer(['--cpu-prof', `--cpu-prof-dir=${profiles}`])
    const { proxies, run } = await warm(row, peer, scope)
    const startedAt = performance.now()
    await run(seconds)
    for (const proxy of proxies) await stop(proxy)
    const shownUs = (performance.now() - startedAt) * 1000
    mkdirSync(FOLDER, { recursive: true })
    // The last one that was started is the one that clients see; both sides of a pair have one.
    const largest = readdirSync(profiles)
      .map((name) => path.join(profiles, name))
      .sort((a, b) => statSync(b).size - statSync(a).size)[0]
    if (largest === undefined) throw new Error('no profile was written')
    const read = lastOf(JSON.parse(readFileSync(largest, 'utf8')), shownUs)
    for (const [name, share] of dearest(read, TOLD)) console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`)
    const file = path.join(FOLDER, `${row}.svg`)
    writeFileSync(file, flameGraph(read, row))
    writeFileSync(path.join(FOLDER, `${row}.cpuprofile`), JSON.stringify(read))
    return file
  })
}

interface Profiled {
  readonly proxies: readonly ChildProcess[]
  readonly run: (seconds: number) => Promise<unknown>
}

async function warm(row: string, peer: ReturnType<typeof lateenPeer>, scope: Scope): Promise<Profiled> {
  const scenario = SCENARIOS.find((each) => each === row)
  if (scenario !== undefined) {
    const lane = await Lane.start(peer, scenario, scope)
    await lane.warmUp(SHORT_WARM_UP)
    return { proxies: lane.proxies, run: (seconds) => lane.run(SATURATED, seconds) }
  }
  const traffic = TRAFFIC.find((each) => each.row === row)
  if (traffic === undefined)
    throw new Error(`no such row: ${row}; there are ${[...SCENARIOS, ...TRAFFIC.map((each) => each.row)].join(', ')}`)
  const lane = await startTraffic(peer, traffic, scope)
  await warmTraffic(lane, traffic, SHORT_WARM_UP)
  return { proxies: [lane.proxy], run: lane.run }
}

/** The second signal cuts what the first one lets finish. */
async function stop(proxy: ChildProcess): Promise<void> {
  const gone = once(proxy, 'exit')
  proxy.kill('SIGTERM')
  await Promise.race([gone, sleep(GRACE_MS)])
  proxy.kill('SIGTERM')
  await gone
}
