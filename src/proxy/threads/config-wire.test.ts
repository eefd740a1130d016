// The border between threads: what goes over is cloned as a message would be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageName } from '../../envoy/any.ts'
import type { Cluster, ClusterLoadAssignment, Listener, MessageTypes, RouteConfiguration } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { Assembler, type Resources } from '../config/assemble.ts'
import type { ProxyConfig } from '../config/proxy-config.ts'
import { endpoint, forwardRoute, listener, manager, settings } from '../config/resources.fixture.ts'
import { ConfigDecoder, ConfigEncoder } from './config-wire.ts'

function read<K extends MessageName>(name: K, json: object): MessageTypes[K] {
  const result = proxyCodec.fromJson(name, json)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.value
}

const web = (rds: string): { message: Listener } => ({
  message: read('envoy.config.listener.v3.Listener', listener({}, [withoutTable({ rds: rdsOf(rds) })])),
})
/** The fixture's manager carries its own table. */
const withoutTable = (fields: object) => {
  const made = manager(fields)
  return { ...made, typed_config: Object.fromEntries(Object.entries(made.typed_config).filter(([name]) => name !== 'route_config')) }
}
const rdsOf = (name: string) => ({ route_config_name: name, config_source: { ads: {} } })
const table = (name: string, prefix: string): { message: RouteConfiguration } => ({
  message: read('envoy.config.route.v3.RouteConfiguration', {
    name,
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [forwardRoute({ prefix }), forwardRoute({ safe_regex: { regex: '/a+' } })] }],
  }),
})
const eds: { message: Cluster } = {
  message: read('envoy.config.cluster.v3.Cluster', {
    name: 'reviews',
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {} } },
  }),
}
const addresses = (...hosts: string[]): { message: ClusterLoadAssignment } => ({
  message: read('envoy.config.endpoint.v3.ClusterLoadAssignment', {
    cluster_name: 'reviews',
    endpoints: [{ lb_endpoints: hosts.map((host) => endpoint(host, 80)) }],
  }),
})

/** Both ends; `cross` sends only what the other end does not hold, as data-thread.ts does. */
function border() {
  const here = new Assembler(settings)
  const encoder = new ConfigEncoder((part) => here.originOf(part))
  const decoder = new ConfigDecoder(new Assembler(settings))
  let held: ReadonlySet<number> = new Set()
  let previous: ProxyConfig | undefined
  return (resources: Resources) => {
    const published = here.assemble(resources, previous).config
    previous = published
    const encoded = encoder.encode(published)
    const fresh = [...encoded.resources.values()].filter(({ id }) => !held.has(id))
    held = new Set(encoded.resources.keys())
    const got = decoder.decode(structuredClone({ parts: encoded.parts, resources: fresh }))
    return { published, got, sent: fresh.length }
  }
}

/** Without compiled functions, which differ by identity. */
const plain = (config: ProxyConfig): unknown =>
  JSON.parse(
    JSON.stringify(config, (_key, value: unknown) => (value instanceof Map ? [...value] : value instanceof Set ? [...value] : value)),
  )

const first: Resources = {
  listeners: new Map([['main', web('routes')]]),
  clusters: new Map([['reviews', eds]]),
  routes: new Map([['routes', table('routes', '/v1')]]),
  endpoints: new Map([['reviews', addresses('10.0.0.1')]]),
}

test('the other side gets what was published, patterns and all', () => {
  const { published, got } = border()(first)
  assert.deepEqual(plain(got), plain(published))
  const chain = got.listeners.get('main')?.filterChains[0]
  const path = chain?.terminal.kind === 'http' ? chain.terminal.routes.defaultHost?.routes[1]?.match.path : undefined
  assert.ok(path?.kind === 'regex')
  assert.deepEqual([path.matches('/aaa'), path.matches('/b')], [true, false])
})

test('only what changed crosses, and what did not stays the same object', () => {
  const cross = border()
  const before = cross(first)
  const after = cross({ ...first, endpoints: new Map([['reviews', addresses('10.0.0.1', '10.0.0.2')]]) })
  assert.deepEqual([before.sent, after.sent], [4, 1])
  assert.equal(after.got.listeners.get('main'), before.got.listeners.get('main'))
  assert.deepEqual(
    after.got.clusters.get('reviews')?.endpoints.map(({ address }) => address.host),
    ['10.0.0.1', '10.0.0.2'],
  )
})

test('a listener that waits crosses as it was before', () => {
  const cross = border()
  const before = cross(first)
  const after = cross({ ...first, listeners: new Map([['main', web('not-here-yet')]]) })
  assert.deepEqual(plain(after.got), plain(before.published))
  assert.equal(after.got.listeners.get('main'), before.got.listeners.get('main'))
})
