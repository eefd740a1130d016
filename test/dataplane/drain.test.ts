// Going away without losing anybody: what a draining data plane still does, and what it does not any more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FakeClock } from '../../src/base/fake-clock.ts'
import { connects } from '../harness/ports.ts'
import { simpleConfig } from './configs.ts'
import { always, connect, GET, OK, startProxy, startUpstream } from './peers.ts'

const GRACE_MS = 600

test('a draining proxy goes on accepting until its callers have gone, tells them to go, and then listens no more', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const clock = new FakeClock()
  const proxy = await startProxy(t, simpleConfig([upstream.port]), { clock })

  const drained = proxy.plane.drain(GRACE_MS)
  const late = await connect(t, proxy.port)
  late.send(GET)
  const answer = await late.until('\r\n\r\nok')

  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /\r\nconnection: close\r\n/i)
  await late.untilEnd()
  // No caller left: what remains is to wait whether another comes.
  let over = false
  const ended = drained.then(() => {
    over = true
  })
  while (!over) {
    clock.advance(GRACE_MS / 10)
    await setImmediate()
  }
  await ended
  assert.equal(await connects(proxy.port), false)
})

test('a drain waits for the request under way', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  const peer = await upstream.accept()
  await peer.until('GET / ')

  let over = false
  const drained = proxy.plane.drain(10_000).then(() => {
    over = true
  })
  peer.send(OK)
  const answer = await client.until('\r\n\r\nok')

  assert.equal(over, false)
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  await drained
})

test('a drain of a pod goes on accepting from outside until its least time, though nobody comes', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const clock = new FakeClock()
  const proxy = await startProxy(t, simpleConfig([upstream.port]), { clock })

  const drained = proxy.plane.drain(GRACE_MS * 10, GRACE_MS)
  for (let passedMs = 0; passedMs < GRACE_MS - 100; passedMs += 50) {
    clock.advance(50)
    await setImmediate()
  }
  assert.equal(await connects(proxy.port), true)
  // The connection above was one; then nobody comes, and the drain ends long before its grace is over.
  const startedMs = clock.monotonicMs()
  let over = false
  const ended = drained.then(() => {
    over = true
  })
  while (!over) {
    clock.advance(50)
    await setImmediate()
  }
  await ended
  assert.ok(clock.monotonicMs() - startedMs < GRACE_MS * 9)
  assert.equal(await connects(proxy.port), false)
})

test('what the application calls is carried while others finish: an outbound listener stays open', async (t) => {
  const upstream = await startUpstream(t)
  const config = simpleConfig([upstream.port])
  const [main] = config.listeners.values()
  assert.ok(main !== undefined)
  const outbound = { ...main, name: 'outbound', direction: 'outbound' } as const
  const clock = new FakeClock()
  const proxy = await startProxy(t, { ...config, listeners: new Map([...config.listeners, ['outbound', outbound]]) }, { clock })
  const client = await connect(t, proxy.port)
  client.send(GET)
  const peer = await upstream.accept()
  await peer.until('GET / ')

  const drained = proxy.plane.drain(GRACE_MS * 100)
  while (await connects(proxy.port)) {
    for (let step = 0; step < 100; step++) clock.advance(50)
    await setImmediate()
  }
  assert.equal(await connects(proxy.plane.portOf('outbound') ?? 0), true)
  peer.send(OK)
  await client.until('\r\n\r\nok')
  let over = false
  void drained.then(() => {
    over = true
  })
  while (!over) {
    clock.advance(50)
    await setImmediate()
  }
})

test('a second drain takes the place of the first', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const clock = new FakeClock()
  const proxy = await startProxy(t, simpleConfig([upstream.port]), { clock })
  const onRequest = proxy.plane.drain(1e9, 1e9)
  const onSignal = proxy.plane.drain(GRACE_MS)
  let over = false
  const ended = Promise.all([onRequest, onSignal]).then(() => {
    over = true
  })
  while (!over) {
    clock.advance(GRACE_MS / 10)
    await setImmediate()
  }
  await ended
  assert.equal(await connects(proxy.port), false)
})
