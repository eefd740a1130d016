// How far objects have come, from rounds of compiling and what proxies have taken of them; and what it costs for many.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectProgress } from '../../model/progress.ts'
import type { Concerns } from '../view/concerns.ts'
import { type CompiledObject, type ProxyProgress, progressOf } from './digest.ts'

const ROUTE = 'VirtualService default/reviews'
const RULE = 'DestinationRule default/reviews'

function proxy(name: string, takenRound: number, more: Partial<ProxyProgress> = {}): readonly [string, ProxyProgress] {
  return [name, { proxy: name, takenRound, cleanRound: takenRound, sinceMs: 7, rejection: undefined, isConnected: true, ...more }]
}

const at = (round: number): CompiledObject => ({ uid: 'u', generation: round, round })

/** Every object concerns every proxy. */
function progress(
  objects: Readonly<Record<string, CompiledObject>>,
  proxies: readonly (readonly [string, ProxyProgress])[],
): Readonly<Record<string, ObjectProgress>> {
  const names = Object.keys(objects)
  const concerns: Concerns = {
    objects: names,
    groups: [{ objects: Uint32Array.from(names, (_, index) => index), proxies: proxies.map(([name]) => name) }],
  }
  const rows = progressOf({ objects: new Map(Object.entries(objects)), concerns, proxies: new Map(proxies) })
  return Object.fromEntries(rows.map((row) => [row.object, row]))
}

test('a proxy counts once it has taken the compile that first had the generation', () => {
  const rows = progress({ [ROUTE]: at(5), [RULE]: at(3) }, [proxy('default/a', 5), proxy('default/b', 4), proxy('default/c', 2)])
  assert.deepEqual([rows[ROUTE]?.programmed, rows[ROUTE]?.concerned], [1, 3])
  assert.deepEqual(
    rows[ROUTE]?.lagging.map((each) => each.proxy),
    ['default/b', 'default/c'],
  )
  assert.deepEqual([rows[RULE]?.programmed, rows[RULE]?.concerned], [2, 3])
})

test('a refusal that says of which object it is holds back that object and no other', () => {
  const rejection = { message: 'no such cluster', objects: [ROUTE] }
  const rows = progress({ [ROUTE]: at(5), [RULE]: at(5) }, [proxy('default/a', 5, { cleanRound: 4, rejection })])
  assert.equal(rows[ROUTE]?.programmed, 0)
  assert.deepEqual(rows[ROUTE]?.lagging, [{ proxy: 'default/a', why: 'rejected', sinceMs: 7, message: 'no such cluster' }])
  assert.equal(rows[RULE]?.programmed, 1)
})

test('a refusal that does not say of which object it is holds back all that came since, and nothing that was taken before', () => {
  const rejection = { message: 'bad listener', objects: [] }
  const rows = progress({ [ROUTE]: at(5), [RULE]: at(4) }, [proxy('default/a', 5, { cleanRound: 4, rejection })])
  assert.deepEqual([rows[ROUTE]?.programmed, rows[RULE]?.programmed], [0, 1])
  assert.equal(rows[ROUTE]?.lagging[0]?.why, 'rejected')
})

test('who is gone is counted apart, by name', () => {
  const rows = progress({ [ROUTE]: at(1) }, [proxy('default/a', 1), proxy('default/b', 1, { isConnected: false })])
  assert.deepEqual([rows[ROUTE]?.programmed, rows[ROUTE]?.concerned, rows[ROUTE]?.absent], [1, 1, 1])
  assert.deepEqual(rows[ROUTE]?.absentProxies, [{ proxy: 'default/b', why: 'gone', sinceMs: 7 }])
})

test('an object that concerns nobody has a row that says so', () => {
  const rows = progressOf({ objects: new Map([[ROUTE, at(1)]]), concerns: { objects: [], groups: [] }, proxies: new Map() })
  assert.deepEqual(
    rows.map(({ object, concerned }) => [object, concerned]),
    [[ROUTE, 0]],
  )
})

test('2,000 proxies in 50 namespaces that all see 1,000 objects, all of them behind: less than 60 ms of CPU', (t) => {
  const names = Array.from({ length: 1000 }, (_, index) => `VirtualService ns/${index}`)
  const proxies = Array.from({ length: 2000 }, (_, index) => proxy(`ns/p-${index}`, index % 10))
  const groups = Array.from({ length: 50 }, (_, group) => ({
    objects: Uint32Array.from(names, (_name, index) => index),
    proxies: proxies.filter((_proxy, index) => index % 50 === group).map(([name]) => name),
  }))
  const input = {
    objects: new Map(names.map((name, index) => [name, at(index % 20)])),
    concerns: { objects: names, groups },
    proxies: new Map(proxies),
  }
  progressOf(input)
  const rounds = 10
  const before = process.cpuUsage()
  for (let round = 0; round < rounds; round++) progressOf(input)
  const { user, system } = process.cpuUsage(before)
  const ms = (user + system) / 1000 / rounds
  t.diagnostic(`${ms.toFixed(2)} ms of CPU per digest`)
  assert.ok(ms < 60, `${ms} ms`)
})
