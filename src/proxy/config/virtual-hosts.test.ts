// Route tables whose virtual hosts come as resources of their own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageName } from '../../envoy/any.ts'
import type { Cluster, Listener, RouteConfiguration, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { Assembler, type Received, type Resources } from './assemble.ts'
import type { ProxyConfig, RouteTable } from './proxy-config.ts'
import { cluster, forwardRoute, listener, manager, settings } from './resources.fixture.ts'

const ads = { ads: {} }

function read<T>(name: MessageName, json: object): Received<T> {
  const result = proxyCodec.fromJson(name, JSON.parse(JSON.stringify(json)))
  assert.ok(result.ok, JSON.stringify(result))
  return { message: result.value as T }
}

const host = (name: string, domains: readonly string[] = [name]): Received<VirtualHost> =>
  read('envoy.config.route.v3.VirtualHost', { name: `80/${name}`, domains, routes: [forwardRoute()] })
const viaRds = read<Listener>(
  'envoy.config.listener.v3.Listener',
  listener({}, [manager({ route_config: undefined, rds: { route_config_name: '80', config_source: ads } })]),
)
const reviews = read<Cluster>('envoy.config.cluster.v3.Cluster', cluster())
const table = read<RouteConfiguration>('envoy.config.route.v3.RouteConfiguration', { name: '80', vhds: { config_source: ads } })

function resources(hosts: Readonly<Record<string, Received<VirtualHost>>>): Resources {
  return {
    listeners: new Map([['main', viaRds]]),
    clusters: new Map([['reviews', reviews]]),
    routes: new Map([['80', table]]),
    endpoints: new Map(),
    virtualHosts: new Map(Object.entries(hosts)),
  }
}

function tableOf({ listeners }: ProxyConfig): RouteTable | undefined {
  const terminal = listeners.get('main')?.filterChains[0]?.terminal
  return terminal !== undefined && 'routes' in terminal ? terminal.routes : undefined
}

test('a listener waits for the first virtual host of its table, but not for ever', () => {
  const assembler = new Assembler(settings)
  const { config, waiting } = assembler.assemble(resources({ '81/other': host('other') }))

  assert.equal(config.listeners.size, 0)
  assert.deepEqual(waiting, [{ type: 'listener', name: 'main', for: 'virtual hosts', missing: '80' }])
  assert.equal(assembler.assemble(resources({}), config, false).config.listeners.size, 1)
})

test('a changed virtual host is read alone: its neighbours stay the same objects, and it is named as in a whole table', () => {
  const assembler = new Assembler(settings)
  const [a, b] = [host('a'), host('b')]
  const before = tableOf(assembler.assemble(resources({ '80/a': a, '80/b': b })).config)
  const same = tableOf(assembler.assemble(resources({ '80/a': a, '80/b': b })).config)
  const after = tableOf(assembler.assemble(resources({ '80/a': a, '80/b': host('b', ['b', 'c']) })).config)

  assert.equal(before, same)
  assert.equal(before?.exactHosts.get('a')?.name, 'a')
  assert.equal(after?.exactHosts.get('a'), before?.exactHosts.get('a'))
  assert.notEqual(after?.exactHosts.get('b'), before?.exactHosts.get('b'))
  assert.deepEqual([...(after?.exactHosts.keys() ?? [])], ['a', 'b', 'c'])
  assert.deepEqual([...(tableOf(assembler.assemble(resources({ '80/a': a })).config)?.exactHosts.keys() ?? [])], ['a'])
})

test('a name that two virtual hosts claim leaves the listener as it was, and says so', () => {
  const assembler = new Assembler(settings)
  const a = host('a')
  const before = assembler.assemble(resources({ '80/a': a })).config
  const { config, rejected } = assembler.assemble(resources({ '80/a': a, '80/b': host('b', ['a']) }), before)

  assert.equal(config.listeners.get('main'), before.listeners.get('main'))
  assert.match(rejected[0]?.problems[0]?.message ?? '', /belongs to another virtual host/)
})

test('data threads are told of the virtual hosts of a listener', () => {
  const assembler = new Assembler(settings)
  const { config } = assembler.assemble(resources({ '80/a': host('a'), '81/other': host('other') }))
  const published = config.listeners.get('main')

  assert.ok(published !== undefined)
  assert.deepEqual([...(assembler.originOf(published)?.virtualHosts?.keys() ?? [])], ['80/a'])
})
