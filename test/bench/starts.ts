// Rows S9 and S10: from the start of the program to the first proxied request, with a small bootstrap and with one of a thousand more
// clusters, each with a virtual host, beside Envoy on the same file. Called by all.ts.
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../harness/ports.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { PROXY_CPU, startBackend } from './chains.ts'
import { PEERS, type Peer } from './peers.ts'
import { inScope } from './scope.ts'
import { median, residentMb } from './turns.ts'
import { atMost, ratioAtMost, type Verdict } from './verdicts.ts'

const MAX_START_MS = 400
const MAX_RATIO = 0.5
const MANY = 1000
const RETRY_MS = 2
/** Until what only the start needed is given back. */
const SETTLED_MS = 5000
const GIVE_UP_MS = 20_000
const REQUEST = `GET / HTTP/1.1\r\nhost: ${BENCH_HOST}\r\nconnection: close\r\n\r\n`

interface Started {
  readonly ms: number
  /** With the first answer. */
  readonly mb: number
  readonly settledMb: number
}

export async function benchStarts(rounds: number): Promise<Verdict[]> {
  const peers = PEERS.filter(({ name, missing }) => missing === undefined && (name === 'lateen' || name === 'envoy'))
  const samples = new Map<string, Started[]>()
  for (let round = 0; round < rounds; round++) {
    for (const clusters of [0, MANY]) {
      for (const peer of peers) {
        const started = await measure(peer, clusters)
        const key = `${peer.name} ${clusters}`
        samples.set(key, [...(samples.get(key) ?? []), started])
        console.log(`  start of ${key} clusters: ${started.ms.toFixed(0)} ms, ${started.mb.toFixed(0)} MB`)
      }
    }
  }
  const of = (peer: string, clusters: number, value: (started: Started) => number): number | undefined => {
    const all = samples.get(`${peer} ${clusters}`)
    return all === undefined ? undefined : median(all.map(value))
  }
  const ms = ({ ms: value }: Started): number => value
  const mb = ({ mb: value }: Started): number => value
  const settledMb = ({ settledMb: value }: Started): number => value
  const envoyMs = of('envoy', 0, ms)
  return [
    atMost('S9', 'start to first proxied request', of('lateen', 0, ms) ?? 0, MAX_START_MS, 'ms', `envoy ${envoyMs?.toFixed(0) ?? '-'}`),
    ratioAtMost('S10', `start with ${MANY} clusters and hosts`, 'ms', of('lateen', MANY, ms) ?? 0, of('envoy', MANY, ms), MAX_RATIO),
    ratioAtMost('S10', 'the same, RSS', 'MB', of('lateen', MANY, mb) ?? 0, of('envoy', MANY, mb), MAX_RATIO),
    ratioAtMost(
      'S10',
      `the same, RSS after ${SETTLED_MS / 1000} s`,
      'MB',
      of('lateen', MANY, settledMb) ?? 0,
      of('envoy', MANY, settledMb),
      MAX_RATIO,
    ),
  ]
}

function measure(peer: Peer, idleClusters: number): Promise<Started> {
  return inScope(async ({ folder, children }) => {
    const upstreamPort = await startBackend(children)
    const [adminPort = 0, listenPort = 0] = await freePorts(2)
    const hop = { name: 'start', adminPort, listenPort, upstreamPort, direction: 'OUTBOUND' as const, idleClusters }
    const startedAt = performance.now()
    const starting = peer.start({ ...hop, accessLogPath: path.join(folder, 'access.log') }, folder, String(PROXY_CPU))
    const kept = starting.then((child) => {
      children.push(child)
      return child
    })
    const [ms, proxy] = await Promise.all([untilServed(listenPort, startedAt), kept])
    const mb = residentMb([proxy])
    await sleep(SETTLED_MS)
    return { ms, mb, settledMb: residentMb([proxy]) }
  })
}

/** Asks again and again, as a client would that does not know when it is ready. */
async function untilServed(port: number, startedAt: number): Promise<number> {
  for (;;) {
    if (await isServed(port)) return performance.now() - startedAt
    if (performance.now() - startedAt > GIVE_UP_MS) throw new Error(`no first answer in ${GIVE_UP_MS} ms`)
    await sleep(RETRY_MS)
  }
}

async function isServed(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write(REQUEST)
    const [chunk] = await once(socket, 'data')
    return String(chunk).startsWith('HTTP/1.1 200')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
