// Runs in a pod's network namespace (capture.test.ts makes it) as the proxy's user: our data plane with the two capture listeners, and
// something that answers DNS on 15053, which our proxy does not do yet. Says 'ready'; ends with its standard input.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { DNS_PORT } from '../../src/capture/rules/dns-rules.ts'
import { LocalSecretStore } from '../../src/proxy/certs/local-secret-store.ts'
import type { FilterChain, TcpProxy } from '../../src/proxy/config/proxy-config.ts'
import { LocalDataPlane } from '../../src/proxy/local-data-plane.ts'
import { loadOriginalDestination } from '../../src/proxy/sockets/original-destination.ts'
import { chain, cluster, listener, NO_MUTATIONS, proxyConfig } from '../dataplane/configs.ts'
import { SELF } from '../dataplane/peers.ts'

const PROXY_USER = 1337

const plane = new LocalDataPlane({
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
  secrets: new LocalSecretStore(systemClock, silentLogger),
  recorder: { recordHttp: () => undefined, recordTcp: () => undefined },
  self: SELF,
  maxDownstreamConnections: undefined,
  originalDestination: loadOriginalDestination(),
})

process.setgroups?.([])
process.setgid?.(PROXY_USER)
process.setuid?.(PROXY_USER)

function octetsTo(name: string): TcpProxy {
  const clusters = [{ name, weight: 1, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }]
  return { kind: 'tcp-proxy', statPrefix: name, clusters, idleTimeoutMs: undefined, accessLogs: [] }
}

function chainFor(family: 4 | 6): FilterChain {
  const plain = chain(octetsTo(`inbound${family}`))
  const everything = { address: family === 4 ? '0.0.0.0' : '::', prefixLength: 0 }
  return { ...plain, name: `inbound${family}`, match: { ...plain.match, destinationRanges: [everything] } }
}

const passthrough = { discovery: 'original-destination' } as const
const problems = await plane.apply(
  proxyConfig(
    [
      listener([chain(octetsTo('outbound'))], {
        name: 'outbound',
        address: { host: '::', port: 15001 },
        restoresOriginalDestination: true,
        direction: 'outbound',
      }),
      listener([chainFor(4), chainFor(6)], { name: 'inbound', address: { host: '::', port: 15006 }, restoresOriginalDestination: true }),
    ],
    [
      cluster('outbound', [], passthrough),
      cluster('inbound4', [], { ...passthrough, bindAddress: '127.0.0.6' }),
      cluster('inbound6', [], { ...passthrough, bindAddress: '::6' }),
    ],
  ),
)
if (problems.length > 0) throw new Error(JSON.stringify(problems))

// On loopback addresses, not on all: an answer from another address than the one that REDIRECT chose is no answer to the kernel.
for (const [type, address] of [
  ['udp4', '127.0.0.1'],
  ['udp6', '::1'],
] as const) {
  const dns = createSocket(type)
  dns.on('message', (query, from) => dns.send(`${query} is answered by the proxy`, from.port, from.address))
  dns.bind(DNS_PORT, address)
  await once(dns, 'listening')
}

process.stdout.write('ready\n')
process.stdin.on('end', () => process.exit(0)).resume()
