import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrMatcher, parseCidr } from '../../base/cidr.ts'
import type { FilterChain, FilterChainMatch } from '../config/proxy-config.ts'
import { type ConnectionView, chooseFilterChain } from './filter-chain.ts'

const chain = (name: string, match: Partial<FilterChainMatch>): FilterChain => ({
  name,
  match: {
    destinationPort: undefined,
    destinationRanges: [],
    serverNames: [],
    transportProtocol: undefined,
    applicationProtocols: [],
    sourceRanges: [],
    ...match,
  },
  tls: undefined,
  networkRules: [],
  terminal: { kind: 'tcp-proxy', statPrefix: '', clusters: [], idleTimeoutMs: undefined, accessLogs: [] },
})

const ranges = (...texts: readonly string[]) => texts.flatMap((text) => parseCidr(text) ?? [])
const connection: ConnectionView = {
  destinationIp: '10.0.0.1',
  destinationPort: 9080,
  serverName: 'a.b.com',
  transportProtocol: 'tls',
  applicationProtocols: ['istio', 'h2'],
  sourceIp: '10.1.0.1',
}

const choose = (chains: readonly FilterChain[], fields: Partial<ConnectionView> = {}, fallback?: FilterChain) =>
  chooseFilterChain({ filterChains: chains, defaultFilterChain: fallback }, { ...connection, ...fields }, (range, address) =>
    cidrMatcher([range])(address),
  )?.name

for (const [what, chains, expected] of [
  ['a port before no port', [chain('any', {}), chain('port', { destinationPort: 9080 })], 'port'],
  ['another port', [chain('port', { destinationPort: 1 })], undefined],
  [
    'the longest prefix',
    [chain('8', { destinationRanges: ranges('10.0.0.0/8') }), chain('24', { destinationRanges: ranges('10.0.0.0/24') })],
    '24',
  ],
  ['any range before none', [chain('none', {}), chain('0', { destinationRanges: ranges('0.0.0.0/0') })], '0'],
  ['the exact name', [chain('wild', { serverNames: ['*.b.com'] }), chain('exact', { serverNames: ['a.b.com'] })], 'exact'],
  ['the longer wildcard', [chain('short', { serverNames: ['*.com'] }), chain('long', { serverNames: ['*.b.com'] })], 'long'],
  ['TLS before no word of it', [chain('any', {}), chain('tls', { transportProtocol: 'tls' })], 'tls'],
  [
    'the protocol that the client likes best',
    [chain('h2', { applicationProtocols: ['h2'] }), chain('istio', { applicationProtocols: ['istio'] })],
    'istio',
  ],
  ['the source', [chain('any', {}), chain('source', { sourceRanges: ranges('10.1.0.0/16') })], 'source'],
  [
    'port before everything else, without going back',
    [chain('port', { destinationPort: 9080, transportProtocol: 'raw_buffer' }), chain('tls', { transportProtocol: 'tls' })],
    undefined,
  ],
] as const) {
  test(`takes ${what}`, () => assert.equal(choose(chains), expected))
}

test('the order of chains does not matter', () => {
  const chains = [
    chain('any', {}),
    chain('tls', { transportProtocol: 'tls' }),
    chain('istio', { transportProtocol: 'tls', applicationProtocols: ['istio'] }),
  ]
  assert.equal(choose(chains), 'istio')
  assert.equal(choose([...chains].reverse()), 'istio')
})

test('what no chain takes gets the default', () => {
  assert.equal(choose([chain('tls', { transportProtocol: 'tls' })], { transportProtocol: 'raw_buffer' }, chain('default', {})), 'default')
})
