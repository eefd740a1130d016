// Runs in a network namespace whose kernel redirects the connections of one user (original-destination.test.ts makes it): a data plane,
// a server per address, and a client process of that user for each way to be redirected. Prints what happened as one line of JSON.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { LocalSecretStore } from '../../src/proxy/certs/local-secret-store.ts'
import type { TcpProxy } from '../../src/proxy/config/proxy-config.ts'
import { LocalDataPlane } from '../../src/proxy/local-data-plane.ts'
import { loadOriginalDestination } from '../../src/proxy/sockets/original-destination.ts'
import { chain, cluster, listener, NO_MUTATIONS, proxyConfig } from './configs.ts'
import { SELF } from './peers.ts'

export interface Redirected {
  /** What the client heard: the address at which the server was reached. */
  readonly heard: string
  /** Where the proxy says that the client was going. */
  readonly destination: string
}

/** Destination, as the client writes it, and the uid whose connections go to the listener of that family. */
export const WAYS = [
  { host: '10.99.0.1', uid: 2004, listener: '0.0.0.0', port: 15004 },
  { host: '10.99.0.1', uid: 2046, listener: '::', port: 15046 },
  { host: 'fd99::1', uid: 2006, listener: '::', port: 15046 },
] as const

export const SERVER_PORT = 8080

if (process.argv[1] === import.meta.filename) await main()

async function main(): Promise<void> {
  for (const host of ['10.99.0.1', 'fd99::1']) {
    const server = createServer((socket) => socket.end(`${socket.localAddress} ${socket.localPort}`))
    server.listen(SERVER_PORT, host)
    await once(server, 'listening')
  }
  let recorded = (_destination: string): void => undefined
  const plane = new LocalDataPlane({
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    secrets: new LocalSecretStore(systemClock, silentLogger),
    recorder: { recordHttp: () => undefined, recordTcp: ({ connection }) => recorded(connection.localAddress) },
    self: SELF,
    maxDownstreamConnections: undefined,
    originalDestination: loadOriginalDestination(),
  })
  const clusters = [{ name: 'passthrough', weight: 1, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }]
  const octets: TcpProxy = { kind: 'tcp-proxy', statPrefix: 'tcp', clusters, idleTimeoutMs: undefined, accessLogs: [] }
  const listeners = new Map(WAYS.map(({ listener: host, port }) => [`${host} ${port}`, { host, port }])).values()
  const problems = await plane.apply(
    proxyConfig(
      [...listeners].map((address) =>
        listener([chain(octets)], { name: address.host, address, restoresOriginalDestination: true, direction: 'outbound' }),
      ),
      [cluster('passthrough', [], { discovery: 'original-destination' })],
    ),
  )
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const results: Redirected[] = []
  for (const { host, uid } of WAYS) {
    const destination = new Promise<string>((resolve) => {
      recorded = resolve
    })
    const program = `require('net').connect(${SERVER_PORT}, '${host}').on('data', (d) => process.stdout.write(d)).on('error', (e) => { throw e })`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { uid, timeout: 20_000 })
    results.push({ heard: stdout, destination: await destination })
  }
  process.stdout.write(`${JSON.stringify(results)}\n`)
  process.exit(0)
}
