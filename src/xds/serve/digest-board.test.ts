// What several replicas' digests come to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectProgress, ProxyReport } from '../../model/progress.ts'
import { createDigestBoard } from './digest-board.ts'
import { createDigestDifference, type DigestMessage, decodeDigestMessage, encodeDigestMessage } from './digest-message.ts'

const ROUTE = 'VirtualService default/reviews'

const row = (concerned: number, programmed: number, more: Partial<ObjectProgress> = {}): ObjectProgress => ({
  ...{ object: ROUTE, uid: 'u', generation: 2, concerned, programmed, lagging: [], absent: 0, absentProxies: [] },
  ...more,
})
const report = (name: string): ProxyReport => ({
  ...{ proxy: `default/${name}`, node: `sidecar~1~${name}.default~x`, version: '', connectedSinceMs: 0, state: 'synced', sinceMs: 0 },
})
const whole = (replica: string, objects: readonly ObjectProgress[], proxies: readonly ProxyReport[] = []): DigestMessage => ({
  ...{ replica, whole: true, objects, goneObjects: [], proxies, goneProxies: [] },
})

test('counts of replicas are added up, and names of who lags are kept', () => {
  const board = createDigestBoard(() => 0)
  board.take(whole('a', [row(4, 4)]))
  board.take(whole('b', [row(2, 1, { lagging: [{ proxy: 'default/ratings', why: 'unanswered', sinceMs: 5 }] })]))
  const total = board.total(ROUTE, 'u', 2)
  assert.deepEqual([total.programmed, total.concerned, total.outdated], [5, 6, []])
  assert.deepEqual(
    total.lagging.map(({ proxy }) => proxy),
    ['default/ratings'],
  )
})

test('a replica that has an older generation, or another object of the name, counts for nothing but its proxies', () => {
  const board = createDigestBoard(() => 0)
  board.take(whole('a', [row(4, 4)]))
  board.take(whole('b', [row(2, 2, { generation: 1 })]))
  const { programmed, concerned, outdated } = board.total(ROUTE, 'u', 2)
  assert.deepEqual({ programmed, concerned, outdated }, { programmed: 4, concerned: 6, outdated: ['b'] })
  assert.deepEqual(board.total(ROUTE, 'recreated', 1).outdated, ['a', 'b'])
})

test('who is gone from one replica and connected to another is no absent one', () => {
  const board = createDigestBoard(() => 0)
  const absentProxies = [{ proxy: 'default/x', why: 'gone', sinceMs: 1 } as const]
  board.take(whole('a', [row(1, 1, { absent: 1, absentProxies })]))
  board.take(whole('b', [row(0, 0)]))
  assert.equal(board.total(ROUTE, 'u', 2).concerned, 2)
  board.takeChanged()
  board.take({ ...whole('b', [row(1, 1)], [report('x')]), whole: false })
  assert.deepEqual([...board.takeChanged()], [ROUTE])
  assert.deepEqual([board.total(ROUTE, 'u', 2).programmed, board.total(ROUTE, 'u', 2).concerned], [2, 2])
})

test('proxies of a replica that reports no more are unknown, until they are connected elsewhere or forgotten', () => {
  let nowMs = 0
  const board = createDigestBoard(() => nowMs)
  board.take(whole('a', [row(0, 0)]))
  board.take(whole('b', [row(2, 2)], [report('x'), report('y')]))
  nowMs = 31_000
  board.take({ ...whole('a', []), whole: false })
  board.tidy()
  const lost = board.total(ROUTE, 'u', 2)
  assert.deepEqual([lost.programmed, lost.concerned], [0, 2])
  assert.deepEqual(
    lost.lagging.map(({ proxy, why }) => [proxy, why]),
    [
      ['default/x', 'unknown'],
      ['default/y', 'unknown'],
    ],
  )
  board.take({ ...whole('a', [row(1, 1)], [report('x')]), whole: false })
  assert.deepEqual([board.total(ROUTE, 'u', 2).programmed, board.total(ROUTE, 'u', 2).concerned], [1, 2])
  nowMs = 92_000
  board.take({ ...whole('a', []), whole: false })
  board.tidy()
  assert.deepEqual([board.total(ROUTE, 'u', 2).programmed, board.total(ROUTE, 'u', 2).concerned], [1, 1])
})

test('what is sent in differences adds up to what there is, and nothing is sent when nothing is new', () => {
  const sent = createDigestDifference('b')
  const receiver = createDigestBoard(() => 0)
  const send = (digest: Parameters<typeof sent>[0]): number => {
    const messages = sent(digest)
    for (const message of messages) {
      const read = decodeDigestMessage(Buffer.from(encodeDigestMessage(message)))
      assert.ok(read.ok)
      receiver.take(read.value)
    }
    return messages.length
  }
  const many = Array.from({ length: 1200 }, (_, index) => row(1, 1, { object: `VirtualService default/${index}` }))
  assert.equal(send({ objects: many, proxies: [report('x')] }), 3)
  assert.equal(send({ objects: many.map((each) => ({ ...each })), proxies: [report('x')] }), 0)
  assert.equal(send({ objects: [...many.slice(1, -1), row(3, 2, { object: 'VirtualService default/1199' })], proxies: [] }), 1)
  assert.deepEqual(receiver.proxies(), [])
  assert.deepEqual(receiver.total('VirtualService default/0', 'u', 2).outdated, ['b'])
  assert.equal(receiver.total('VirtualService default/1199', 'u', 2).programmed, 2)
  assert.equal(receiver.total('VirtualService default/600', 'u', 2).concerned, 1)
})
