// Which filter chain takes which connection where protocols meet or nobody declares them, at a redirected client: the golden's listeners, as
// our proxy decodes them, asked as it asks them for each connection.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrMatcher } from '../../src/base/cidr.ts'
import { type ConnectionView, chooseFilterChain } from '../../src/proxy/decide/filter-chain.ts'
import { readCase, runCase } from '../golden/golden-case.ts'
import { configOf } from './support/route-lab.ts'

const RAW = { transportProtocol: 'raw_buffer', serverName: '', applicationProtocols: [] } as const
const HTTP1 = { ...RAW, applicationProtocols: ['http/1.1'] }
const HTTP2 = { ...RAW, applicationProtocols: ['h2c'] }
/** A browser's hello: it offers what plaintext HTTP is called too. */
const TLS = { transportProtocol: 'tls', serverName: 'other.example.com', applicationProtocols: ['h2', 'http/1.1'] } as const
const NAMED = { ...TLS, serverName: 'secret.example.com' }

const OUTBOUND: readonly (readonly [string, string, number, Partial<ConnectionView>, string])[] = [
  ['10.96.0.1_9000', '10.96.0.1', 9000, HTTP1, 'own-address.default.svc.cluster.local:9000'],
  ['10.96.0.1_9000', '10.96.0.1', 9000, HTTP2, 'own-address.default.svc.cluster.local:9000'],
  ['10.96.0.1_9000', '10.96.0.1', 9000, RAW, 'outbound|9000||own-address.default.svc.cluster.local'],
  ['0.0.0.0_9000', '10.0.0.2', 9000, HTTP1, '9000'],
  ['0.0.0.0_9000', '10.0.0.2', 9000, RAW, 'outbound|9000||headless.default.svc.cluster.local'],
  // Nobody of the headless Service.
  ['0.0.0.0_9000', '10.0.0.9', 9000, RAW, 'PassthroughCluster'],
  ['0.0.0.0_7000', '10.96.0.2', 7000, HTTP1, '7000'],
  ['0.0.0.0_7000', '198.51.100.1', 7000, RAW, 'outbound|7000||bytes.example.com'],
  ['0.0.0.0_7000', '198.51.100.1', 7000, TLS, 'outbound|7000||bytes.example.com'],
  ['0.0.0.0_7000', '198.51.100.1', 7000, NAMED, 'outbound|7000||secret.example.com'],
  ['0.0.0.0_7000', '192.0.2.7', 7000, HTTP1, 'range.example.com:7000'],
  ['0.0.0.0_7000', '192.0.2.7', 7000, RAW, 'outbound|7000||range.example.com'],
  ['0.0.0.0_7000', '192.0.2.7', 7000, TLS, 'outbound|7000||range.example.com'],
  ['0.0.0.0_7001', '10.96.0.2', 7001, RAW, '7001'],
]

const INBOUND: readonly (readonly [number, Partial<ConnectionView>, string])[] = [
  [6000, { ...TLS, applicationProtocols: ['lateen/1', 'istio-http/1.1', 'istio'] }, 'inbound-6000-mtls-http'],
  [6000, { ...TLS, applicationProtocols: ['istio-h2', 'h2', 'istio'] }, 'inbound-6000-mtls-http'],
  [6000, { ...TLS, applicationProtocols: ['istio'] }, 'inbound-6000-mtls'],
  [6000, HTTP1, 'none'],
  [6000, RAW, 'none'],
  [6001, HTTP1, 'inbound-6001-plaintext-http'],
  [6001, RAW, 'inbound-6001-plaintext'],
  [6001, TLS, 'inbound-6001-tls-passthrough'],
]

const config = configOf(runCase(readCase('undeclared-ports')).resources)

for (const [name, destinationIp, destinationPort, said, expected] of OUTBOUND) {
  test(`${name}: to ${destinationIp}, ${describe(said)}: ${expected}`, () => {
    assert.equal(goesTo(name, { destinationIp, destinationPort, ...said }), expected)
  })
}

for (const [destinationPort, said, expected] of INBOUND) {
  test(`inbound ${destinationPort}, ${describe(said)}: ${expected}`, () => {
    assert.equal(chainFor('virtualInbound', { destinationPort, destinationIp: '10.0.0.2', ...said })?.name ?? 'none', expected)
  })
}

function describe({ transportProtocol, serverName, applicationProtocols = [] }: Partial<ConnectionView>): string {
  return [transportProtocol, serverName, ...applicationProtocols].filter(Boolean).join(' ')
}

/** The name of the route table, or of the cluster. */
function goesTo(listener: string, view: Partial<ConnectionView>): string {
  const terminal = chainFor(listener, view)?.terminal
  if (terminal === undefined) return 'none'
  return terminal.kind === 'http' ? terminal.routes.name : (terminal.clusters[0]?.name ?? '')
}

function chainFor(name: string, view: Partial<ConnectionView>) {
  const listener = config.listeners.get(name)
  assert.ok(listener !== undefined, `${name} is not among ${[...config.listeners.keys()].join(', ')}`)
  const whole: ConnectionView = { ...RAW, destinationIp: '', destinationPort: 0, sourceIp: '10.0.0.3', ...view }
  return chooseFilterChain(listener, whole, (range, address) => cidrMatcher([range])(address))
}
