// Whatever a user writes into DestinationRules, a stock Envoy and our own proxy take what we make of it, for services of every kind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../../src/base/regex.ts'
import { proxyCodec } from '../../src/envoy/proxy-codec.ts'
import { CLUSTER_TYPE } from '../../src/envoy/type-urls.ts'
import type { KubeState } from '../../src/operator/ingest/kube-state.ts'
import { allObjects, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { Assembler } from '../../src/proxy/config/assemble.ts'
import { requireEnvoy, validateWithEnvoy } from '../harness/envoy.ts'
import { toEnvoyJson } from './envoy-json.ts'
import { type GoldenCase, readCase, runCase } from './golden-case.ts'
import { staticBootstrap } from './static-bootstrap.ts'

const some = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] })
const duration = fc.constantFrom('1ms', '7ms', '1s', '60s', '1000h')
const count = fc.constantFrom(0, 1, 100, 2 ** 31 - 1)
const text = fc.constantFrom('', 'x-user', 'a b', 'a\nb', ':path', 'ä', 'x'.repeat(300))
const locality = fc.constantFrom('*', 'eu', 'eu/eu-a', 'eu/*', 'us/us-a/rack')

const attribute = fc.record({ name: text, value: text })
const hashKey = fc.oneof(
  fc.record({ httpHeaderName: text }),
  fc.record({ httpQueryParameterName: text }),
  fc.record({ useSourceIp: fc.boolean() }),
  fc.record({
    httpCookie: fc.record({ name: text, path: text, ttl: fc.constantFrom('0s', '1h'), attributes: fc.array(attribute, { maxLength: 2 }) }),
  }),
  fc.constant({}),
)
const hashTable = fc.oneof(
  fc.record({ ringHash: some({ minimumRingSize: fc.constantFrom(0, 1, 99_999_999) }) }),
  fc.record({ maglev: fc.record({ tableSize: fc.constantFrom(2, 251, 4_999_999) }) }),
  fc.constant({}),
)
const algorithm = fc.oneof(
  fc.record({ simple: fc.constantFrom('RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST') }),
  fc.record({ consistentHash: fc.tuple(hashKey, hashTable).map(([key, table]) => ({ ...key, ...table })) }),
  fc.record({
    backendUtilization: some({ errorUtilizationPenaltyPercent: count, weightExpirationPeriod: duration, weightUpdatePeriod: duration }),
  }),
)
const failover = fc.constant([{ from: 'eu', to: 'us' }])
const failoverPriority = fc.constantFrom(['version'], ['topology.kubernetes.io/zone', 'version=v2'])
const nearness = fc.oneof(
  fc.constant({}),
  fc.record({
    localityLbSetting: fc.record({
      distribute: fc.record({ from: locality, to: locality }).map(({ from, to }) => [{ from, to: { [to]: 100 } }]),
    }),
  }),
  fc.record({ localityLbSetting: some({ enabled: fc.boolean(), failover, failoverPriority }) }),
  fc.record({
    zoneAwareLbSetting: some({ enabled: fc.boolean(), failover, failoverPriority, minClusterSize: fc.constantFrom(1, 2 ** 32 - 1) }),
  }),
)
const warmup = fc.record({ duration, minimumPercent: fc.constantFrom(0, 0.5, 100), aggression: fc.constantFrom(0.0001, 1, 1000) })
const loadBalancer = fc.tuple(algorithm, nearness, some({ warmup })).map(([a, b, c]) => ({ ...a, ...b, ...c }))
const connectionPool = fc.record({
  tcp: some({
    maxConnections: count,
    tcpKeepalive: some({ probes: count, time: duration, interval: duration }),
    maxConnectionDuration: duration,
    idleTimeout: duration,
  }),
  http: some({
    h2UpgradePolicy: fc.constantFrom('DEFAULT', 'UPGRADE', 'DO_NOT_UPGRADE'),
    maxConcurrentStreams: count,
    http2KeepAlive: fc.record({ interval: duration, timeout: duration }),
    idleTimeout: duration,
  }),
})
const outlierDetection = some({
  consecutiveGatewayErrors: count,
  consecutive5xxErrors: count,
  splitExternalLocalOriginErrors: fc.boolean(),
  interval: duration,
  baseEjectionTime: duration,
  maxEjectionPercent: fc.constantFrom(0, 100),
  minHealthPercent: fc.constantFrom(0, 100),
})
const tls = fc.oneof(
  fc.record({ mode: fc.constantFrom('DISABLE', 'ISTIO_MUTUAL', 'SIMPLE') }),
  fc.record({ mode: fc.constantFrom('SIMPLE', 'MUTUAL'), credentialName: fc.constant('x'), sni: fc.constantFrom('', 'z.example.com') }),
  fc.constant({ mode: 'SIMPLE', caCrl: '/etc/ssl/certs/ca-certificates.crt' }),
)
const blocks = { loadBalancer, connectionPool, outlierDetection, tls }
const trafficPolicy = some({
  ...blocks,
  portLevelSettings: some(blocks).map((settings) => [{ port: { number: 9080 }, ...settings }]),
  tunnel: fc.constantFrom({ targetHost: 't.example.com', targetPort: 443 }, { protocol: 'POST', targetHost: 'fd00::1', targetPort: 1 }),
  retryBudget: some({ percent: fc.constantFrom(0, 0.5, 100), minRetryConcurrency: count }),
})
const proxied = fc
  .tuple(trafficPolicy, fc.constantFrom({}, { version: 'V2' }))
  .map(([{ tunnel: _tunnel, ...policy }, proxyProtocol]) => ({ ...policy, proxyProtocol }))
const policy = fc.oneof(trafficPolicy, proxied)

const HOSTS = ['reviews', 'db', 'static.example.com', 'dns.example.com', 'logical.example.com', 'none.example.com']
const rule = fc.record({ general: policy, ofSubset: policy, isSelecting: fc.boolean() })

const ENTRIES = HOSTS.slice(2)
  .map((host) => {
    const [name = ''] = host.split('.')
    const resolution = { static: 'STATIC', dns: 'DNS', logical: 'DNS_ROUND_ROBIN', none: 'NONE' }[name]
    const address = name === 'static' ? '192.0.2.1' : 'a.example.com'
    const endpoints = name === 'none' ? '' : `, endpoints: [{address: ${address}, locality: us/us-a, labels: {version: v2}}]`
    return `---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}}\nspec: {hosts: [${host}], resolution: ${resolution}, ports: [{number: 9080, name: http, protocol: HTTP}]${endpoints}}\n`
  })
  .join('')

function withRules(golden: GoldenCase, rules: readonly { general: object; ofSubset: object; isSelecting: boolean }[]): KubeState {
  const objects = rules.map(({ general, ofSubset, isSelecting }, index) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: `rule-${index}`, namespace: 'default' },
    spec: {
      host: HOSTS[index],
      trafficPolicy: general,
      subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy: ofSubset }],
      ...(isSelecting ? { workloadSelector: { matchLabels: { app: 'productpage' } } } : {}),
    },
  }))
  const written = objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('') + ENTRIES
  const read = readYaml(written, 'rules.yaml', { defaultNamespace: 'default', compileRegex })
  return nextKubeState(golden.input.state, [...allObjects(golden.input.state), ...read.objects])
}

test('a stock Envoy takes whatever is written into DestinationRules', async (t) => {
  const binary = requireEnvoy(t)
  if (binary === undefined) return
  const golden = readCase('consistent-hash-stock')
  let taken = 0

  await fc.assert(
    fc.asyncProperty(fc.array(rule, { minLength: HOSTS.length, maxLength: HOSTS.length }), async (rules) => {
      const state = withRules(golden, rules)
      taken += state.objects.DestinationRule.size
      const { resources } = runCase({ ...golden, input: { ...golden.input, state } })
      assert.equal(await validateWithEnvoy(binary, staticBootstrap(toEnvoyJson(resources))), undefined)
    }),
    { seed: 20_261, numRuns: 12, endOnFailure: true },
  )

  assert.ok(taken > 12 * HOSTS.length * 0.3, `${taken} rules are enough`)
})

test('our own proxy takes whatever is written into DestinationRules', () => {
  const golden = readCase('consistent-hash-stock')
  const assembler = new Assembler({
    allowUnsupported: false,
    regex: { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite },
  })

  fc.assert(
    fc.property(fc.array(rule, { minLength: HOSTS.length, maxLength: HOSTS.length }), (rules) => {
      const input = { ...golden.input, state: withRules(golden, rules) }
      const { resources } = runCase({ ...golden, proxy: { ...golden.proxy, isStock: false }, input })
      for (const [name, { bytes }] of resources.get(CLUSTER_TYPE) ?? []) {
        const message = proxyCodec.decode('envoy.config.cluster.v3.Cluster', bytes)
        assert.ok(message.ok, name)
        assert.deepEqual(assembler.readCluster({ message: message.value }).problems, [], name)
      }
    }),
    { seed: 20_262, numRuns: 25 },
  )
})
