// The chains that requests of the benchmark go through: one proxy in plaintext, or a pair of sidecars with mutual TLS between them, in front
// of a backend that costs next to nothing. Called by data-plane.ts, profile.ts and the rows that need a proxy under load.
// Invariant: everything that was started is in `children` before anything can fail, so that whoever called can end it.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { LATEEN_HTTP2 } from '../../src/envoy/alpn.ts'
import { issueTestCertificates } from '../harness/certificates.ts'
import { freePorts } from '../harness/ports.ts'
import type { BenchBootstrap, TlsFiles } from './bootstraps.ts'
import type { Peer } from './peers.ts'

/** The proxies have one processor, everything else the other. */
export const PROXY_CPU = 1
export const OTHERS_CPU = 0
const BODY_BYTES = 1024

/** S2h2: HTTP/2 between the two sidecars, HTTP/1.1 at both ends. */
export type Scenario = 'S1' | 'S2' | 'S2h2'

export interface Chain {
  readonly entryPort: number
  readonly hops: readonly BenchBootstrap[]
  readonly proxies: readonly ChildProcess[]
}

export async function startChain(peer: Peer, scenario: Scenario, folder: string, children: ChildProcess[], cpus?: string): Promise<Chain> {
  const backendPort = await startBackend(children)
  const hops = scenario === 'S1' ? await plainHop(folder, backendPort) : await mutualTlsHops(folder, backendPort, http2Alpn(peer, scenario))
  const proxies: ChildProcess[] = []
  for (const hop of hops) {
    const child = await peer.start(hop, folder, cpus ?? String(PROXY_CPU))
    children.push(child)
    proxies.push(child)
  }
  return { entryPort: hops.at(-1)?.listenPort ?? 0, hops, proxies }
}

/** Answers every request with 1 KiB; the port that it listens on. */
export async function startBackend(children: ChildProcess[], bodyBytes = BODY_BYTES): Promise<number> {
  const program = path.join(import.meta.dirname, '../harness/backend-program.ts')
  const child = spawn('taskset', ['-c', String(OTHERS_CPU), process.execPath, program, '0', String(bodyBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const [firstLine] = await once(child.stdout, 'data')
  return Number(String(firstLine))
}

/** Between our proxies the name also says that each end names itself once per connection; Envoy knows HTTP/2 by 'h2' only, and must not
 *  agree on the other. Each gets what our control plane would tell it. */
function http2Alpn(peer: Peer, scenario: Scenario): readonly string[] | undefined {
  if (scenario !== 'S2h2') return undefined
  return peer.name === 'lateen' ? [LATEEN_HTTP2, 'h2'] : ['h2']
}

export async function plainHop(folder: string, upstreamPort: number): Promise<BenchBootstrap[]> {
  const [adminPort = 0, listenPort = 0] = await freePorts(2)
  return [{ name: 'client', adminPort, listenPort, upstreamPort, accessLogPath: path.join(folder, 'client.log'), direction: 'OUTBOUND' }]
}

/** The server side first: the client side's upstream is there when it starts. */
export async function mutualTlsHops(folder: string, upstreamPort: number, http2Alpn?: readonly string[]): Promise<BenchBootstrap[]> {
  const client = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage'
  const server = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews'
  const [clientFiles, serverFiles] = issueTestCertificates(folder, [client, server])
  if (clientFiles === undefined || serverFiles === undefined) throw new Error('no certificates')
  const [serverAdmin = 0, serverPort = 0, clientAdmin = 0, clientPort = 0] = await freePorts(4)
  const alpn = http2Alpn === undefined ? {} : { alpn: http2Alpn }
  const serverTls: TlsFiles = { ...serverFiles, peer: client, ...alpn }
  const clientTls: TlsFiles = { ...clientFiles, peer: server, ...alpn }
  return [
    {
      name: 'server',
      adminPort: serverAdmin,
      listenPort: serverPort,
      upstreamPort,
      accessLogPath: path.join(folder, 'server.log'),
      direction: 'INBOUND',
      downstreamTls: serverTls,
    },
    {
      name: 'client',
      adminPort: clientAdmin,
      listenPort: clientPort,
      upstreamPort: serverPort,
      accessLogPath: path.join(folder, 'client.log'),
      direction: 'OUTBOUND',
      upstreamTls: clientTls,
      ...(http2Alpn === undefined ? {} : { protocol: 'http2' as const }),
    },
  ]
}
