// Row S11: what a second data thread costs per request, how evenly the kernel spreads connections over the two, and whether a stop of the
// proxy under load loses a request. Called by all.ts. Both processors belong to everybody here: only processor time is compared.
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadPlan } from '../harness/load.ts'
import { accountedFor, runLoadProcess } from '../harness/load-process.ts'
import { waitFor, waitForHttp } from '../harness/wait.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { OTHERS_CPU, startChain } from './chains.ts'
import { Lane, SATURATED } from './lanes.ts'
import { envoyPeer, lateenPeer, type Peer } from './peers.ts'
import { inScope } from './scope.ts'
import { median, takeTurns } from './turns.ts'
import { atMost, type Verdict } from './verdicts.ts'
import type { Size } from './warm-up.ts'

const MAX_RATIO = 1.1
const MAX_SPREAD_PERCENT = 15
const BOTH_CPUS = '0,1'
/** Enough that chance alone stays within the bar: half of them, give or take three standard deviations, is 47 to 53 in a hundred. */
const CONNECTIONS = 2000
/** Opened at a time, so that no backlog overflows. */
const GROUP = 50
const COUNTED_MS = 30_000

export async function benchThreads(size: Size): Promise<Verdict[]> {
  const [one = 0, two = 0] = await cpuPerRequest(size, (threads) => lateenPeer([], threads))
  const [envoyOne = 0, envoyTwo = 0] = envoyPeer().missing === undefined ? await cpuPerRequest(size, envoyPeer) : []
  const envoy = envoyOne === 0 ? '' : `; envoy ${(envoyTwo / envoyOne).toFixed(2)}x`
  return [
    atMost(
      'S11',
      `CPU/request of two threads (${two.toFixed(1)} us) to one`,
      two / one,
      MAX_RATIO,
      'x',
      `one ${one.toFixed(1)} us${envoy}`,
    ),
    atMost('S11', `${CONNECTIONS} connections: off an even spread`, await spreadPercent(), MAX_SPREAD_PERCENT, '%'),
    await stopUnderLoad(),
  ]
}

function plan(port: number, seconds: number): LoadPlan {
  const headers = { host: BENCH_HOST, 'user-agent': 'lateen-bench' }
  return { host: '127.0.0.1', port, connections: 64, durationMs: seconds * 1000, method: 'GET', path: '/reviews/0', headers }
}

/** Of one thread and of two: each compiles its own code, so two are warm after twice as many requests. */
function cpuPerRequest({ rounds, seconds, warmUp }: Size, peer: (threads: number) => Peer): Promise<readonly number[]> {
  return inScope(async (scope) => {
    const lanes: { readonly lane: Lane; readonly samples: number[] }[] = []
    for (const threads of [1, 2]) {
      const lane = await Lane.start(peer(threads), 'S1', scope, BOTH_CPUS, `with-${threads}`)
      await lane.warmUp({ ...warmUp, requests: warmUp.requests * threads })
      lanes.push({ lane, samples: [] })
    }
    await takeTurns(rounds, lanes, async ({ lane, samples }) => void samples.push((await lane.run(SATURATED, seconds)).cpuUsPerRequest))
    if (peer(1).name === 'lateen') for (const { lane } of lanes) await lane.assertBooksBalance()
    return lanes.map(({ samples }) => median(samples))
  })
}

function spreadPercent(): Promise<number> {
  return inScope(async ({ folder, children }) => {
    const { entryPort, hops } = await startChain(lateenPeer([], 2), 'S1', folder, children, BOTH_CPUS)
    const adminPort = hops[0]?.adminPort ?? 0
    // The port answers as soon as one thread listens; what comes before the other does is its alone.
    await waitForHttp(`http://127.0.0.1:${adminPort}/ready`, { what: 'both threads' })
    const sockets: net.Socket[] = []
    try {
      while (sockets.length < CONNECTIONS) sockets.push(...(await Promise.all(Array.from({ length: GROUP }, () => opened(entryPort)))))
      const shares = await waitFor(() => connectionsByThread(adminPort), { what: 'all connections', timeoutMs: COUNTED_MS })
      return (Math.abs((shares[0] ?? 0) - (shares[1] ?? 0)) * 100) / CONNECTIONS
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })
}

/** Nothing is asked: a thread counts what it has accepted. */
async function opened(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function connectionsByThread(adminPort: number): Promise<readonly number[] | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats/prometheus`)).text()
  const shares = [...text.matchAll(/^lateen_proxy_thread_connections\{.*\} (\d+)$/gm)].map(([, value]) => Number(value))
  return shares.reduce((sum, each) => sum + each, 0) >= CONNECTIONS ? shares : undefined
}

/** Both threads drain: whatever was sent is answered. What comes later is refused, and was never sent. */
function stopUnderLoad(): Promise<Verdict> {
  return inScope(async ({ folder, children }) => {
    const { entryPort, proxies } = await startChain(lateenPeer([], 2), 'S1', folder, children, BOTH_CPUS)
    const running = runLoadProcess({ ...plan(entryPort, 3), ratePerSecond: 500 }, OTHERS_CPU)
    await sleep(1000)
    proxies[0]?.kill('SIGTERM')
    const report = await running
    const lost = Object.values(report.broken).reduce((sum, each) => sum + each, 0) + report.sent - accountedFor(report)
    const failed = report.sent - (report.statuses[200] ?? 0) - lost
    return atMost('S11', `stopped under 500/s (${report.sent} sent): lost or failed`, lost + failed, 0, 'requests')
  })
}
