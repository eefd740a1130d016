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
