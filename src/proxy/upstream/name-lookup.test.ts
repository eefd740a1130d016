import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FakeClock } from '../../base/fake-clock.ts'
import { type AskSystem, NameLookup } from './name-lookup.ts'

function setUp() {
  const clock = new FakeClock()
  const asked: { name: string; done: Parameters<AskSystem>[1] }[] = []
  const failures: unknown[][] = []
  const names = new NameLookup(
    clock,
    (...failure) => void failures.push(failure),
    (name, done) => void asked.push({ name, done }),
  )
  const answers: string[] = []
  const want = (all = false): void =>
    names.lookup('db.internal', { all }, (error, address) => void answers.push(error?.message ?? JSON.stringify(address)))
  return { clock, asked, failures, answers, want }
}

const ONE = [{ address: '10.0.0.1', family: 4 }]

test('connections at the same time ask once, and later ones do not ask', async () => {
  const { asked, answers, want } = setUp()
  want()
  want(true)
  assert.equal(asked.length, 1)
  asked[0]?.done(null, ONE)
  want()
  await setImmediate()
  assert.deepEqual(answers, ['"10.0.0.1"', JSON.stringify(ONE), '"10.0.0.1"'])
  assert.equal(asked.length, 1)
})

test('an old answer is used while a new one is awaited, and when none comes', async () => {
  const { clock, asked, failures, answers, want } = setUp()
  want()
  asked[0]?.done(null, ONE)
  clock.advance(5000)
  want()
  await setImmediate()
  assert.equal(asked.length, 2)
  asked[1]?.done(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }), [])
  want()
  await setImmediate()
  assert.deepEqual(answers, ['"10.0.0.1"', '"10.0.0.1"', '"10.0.0.1"'])
  assert.deepEqual(failures, [['db.internal', 'EAI_AGAIN', true]])
})

test('a name that never had an answer fails, and is asked for again by the next connection', () => {
  const { asked, failures, answers, want } = setUp()
  want()
  asked[0]?.done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), [])
  want()
  asked[1]?.done(null, ONE)
  assert.deepEqual(answers, ['getaddrinfo ENOTFOUND', '"10.0.0.1"'])
  assert.deepEqual(failures, [['db.internal', 'ENOTFOUND', false]])
})

test('an address is followed when it moves', async () => {
  const { clock, asked, answers, want } = setUp()
  want()
  asked[0]?.done(null, ONE)
  clock.advance(5000)
  want()
  await setImmediate()
  asked[1]?.done(null, [{ address: '10.0.0.2', family: 4 }])
  want()
  await setImmediate()
  assert.deepEqual(answers, ['"10.0.0.1"', '"10.0.0.1"', '"10.0.0.2"'])
})
