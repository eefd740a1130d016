// Row S8: resident memory of a complete sidecar, one of Bookinfo's as `lateen run` starts it (ADS, certificates, every route of the mesh):
// after a minute of nothing, and with a thousand and five thousand plaintext connections that have each been served once. A thousand
// mutual TLS connections are reported, on the static proxy of the other rows, because they need keys that only the mesh gives out.
// Called by all.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { askDesiredMesh } from '../../src/standalone/mesh-api.ts'
import { connectMesh } from '../../src/standalone/mesh-client.ts'
import { describeStateFolder } from '../../src/standalone/state-folder.ts'
import { endProcess } from '../harness/envoy.ts'
import { inboundIn } from '../harness/planned-addresses.ts'
import { freePorts } from '../harness/ports.ts'
import { processesWith } from '../harness/process-table.ts'
import { waitFor } from '../harness/wait.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { mutualTlsHops, PROXY_CPU, startBackend } from './chains.ts'
import { PEERS, type Peer } from './peers.ts'
import { usageOf } from './processes.ts'
import { inScope } from './scope.ts'
import { atMost, reported, type Verdict } from './verdicts.ts'

const REPOSITORY = path.resolve(import.meta.dirname, '../..')
/** The path of a UNIX socket ends at 103 bytes. */
const SHORT_FOLDER = '/tmp'
const INSTANCE = 'reviews-v1'
const BARS = { idle: 75, connections: [[1000, 100] as const, [5000, 150] as const] }
const TLS_CONNECTIONS = 1000
/** Connections are opened in groups, so that no backlog overflows. */
const GROUP = 50
const READY_MS = 60_000

export async function benchSidecarMemory(idleSeconds: number): Promise<Verdict[]> {
  const base = mkdtempSync(path.join(SHORT_FOLDER, 'lateen-bench-'))
  const state = path.join(base, 'state')
  const [ingressPort = 0] = await freePorts(1)
  const args = ['run', path.join(REPOSITORY, 'samples/bookinfo/mesh'), '--state', state, '--ingress-port', String(ingressPort)]
  const mesh = spawn(process.execPath, [path.join(REPOSITORY, 'dist/lateen.js'), ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    return [...(await measureSidecar(mesh, state, ingressPort, idleSeconds)), await mutualTlsRow()]
  } finally {
    await endProcess(mesh)
    rmSync(base, { recursive: true, force: true })
  }
}

async function measureSidecar(mesh: ChildProcess, state: string, ingressPort: number, idleSeconds: number): Promise<Verdict[]> {
  const page = `http://127.0.0.1:${ingressPort}/productpage`
  const served = async (): Promise<boolean> => (await fetch(page).catch(() => undefined))?.status === 200
  await waitFor(served, { what: 'Bookinfo', timeoutMs: READY_MS, while: () => mesh.exitCode === null })
  const { addresses } = await askDesiredMesh(connectMesh(describeStateFolder(state).socket))
  const inbound = inboundIn(addresses, INSTANCE)
  const bootstrap = path.join(describeStateFolder(state).proxyFolder(`default/${INSTANCE}`), 'bootstrap.json')
  const pid = processesWith(bootstrap)[0]?.pid ?? 0
  if (readFileSync(bootstrap, 'utf8') === '' || pid === 0) throw new Error(`no sidecar of ${INSTANCE}`)
  const residentMb = (): number => usageOf(pid).rssBytes / 2 ** 20
  await sleep(idleSeconds * 1000)
  const verdicts = [atMost('S8', `RSS of a complete sidecar after ${idleSeconds} s`, residentMb(), BARS.idle, 'MB')]
  const sockets: net.Socket[] = []
  try {
    for (const [count, max] of BARS.connections) {
      await fill(sockets, count, () => net.connect(inbound.port, inbound.host), 'reviews.default.svc.cluster.local')
      verdicts.push(atMost('S8', `the same with ${count} idle plaintext connections`, residentMb(), max, 'MB'))
    }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  return verdicts
}

async function mutualTlsRow(): Promise<Verdict> {
  const peers = PEERS.filter(({ name, missing }) => missing === undefined && (name === 'lateen' || name === 'envoy'))
  const measured: string[] = []
  for (const peer of peers) measured.push(`${(await mutualTlsMb(peer)).toFixed(0)} MB`)
  const [own = '-', envoy = '-'] = measured
  return reported('S8', `static proxy with ${TLS_CONNECTIONS} mTLS connections`, own, `envoy ${envoy}`)
}

function mutualTlsMb(peer: Peer): Promise<number> {
  return inScope(async ({ folder, children }) => {
    const [server, caller] = await mutualTlsHops(folder, await startBackend(children))
    if (server === undefined || caller?.upstreamTls === undefined) throw new Error('no pair')
    const proxy = await peer.start(server, folder, String(PROXY_CPU))
    children.push(proxy)
    const { chain, key, roots } = caller.upstreamTls
    const secureContext = tls.createSecureContext({ cert: readFileSync(chain), key: readFileSync(key), ca: readFileSync(roots) })
    const sockets: net.Socket[] = []
    const connect = (): net.Socket =>
      tls.connect({ port: server.listenPort, host: '127.0.0.1', secureContext, checkServerIdentity: () => undefined })
    await fill(sockets, TLS_CONNECTIONS, connect, BENCH_HOST)
    const mb = usageOf(proxy.pid ?? 0).rssBytes / 2 ** 20
    for (const socket of sockets) socket.destroy()
    return mb
  })
}

/** Each has been served once, and stays. */
async function fill(sockets: net.Socket[], count: number, connect: () => net.Socket, host: string): Promise<void> {
  while (sockets.length < count) {
    const group = Array.from({ length: Math.min(GROUP, count - sockets.length) }, connect)
    sockets.push(...group)
    await Promise.all(group.map((socket) => firstAnswer(socket, host)))
  }
}

async function firstAnswer(socket: net.Socket, host: string): Promise<void> {
  socket.write(`GET /health HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const [chunk] = await once(socket, 'data')
  const line = String(chunk).slice(0, 12)
  if (line !== 'HTTP/1.1 200') throw new Error(`the first answer of the proxy was '${line}'`)
}
