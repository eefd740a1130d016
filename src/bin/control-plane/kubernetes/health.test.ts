import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../../base/fake-clock.ts'
import { createLogger } from '../../../base/log.ts'
import { closed, listenOnPort } from '../listen.ts'
import { createHealth, type Health } from './health.ts'

async function ready(t: TestContext, { server }: Health): Promise<() => Promise<string>> {
  await listenOnPort(server, '127.0.0.1', 0, 0)
  t.after(() => closed(server))
  const { port } = server.address() as AddressInfo // a listening TCP server has one
  return async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/ready`)
    return `${answer.status} ${await answer.text()}`
  }
}

test('who is not ready says for what it waits and why, at once to who asks and every half minute in the log', async (t) => {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = createLogger({ level: 'info', format: 'text', write: (line) => void lines.push(line), nowMs: () => 0 })
  const health = createHealth(log, clock)
  const ask = await ready(t, health)
  const { promise, resolve } = Promise.withResolvers<string>()
  let why: readonly string[] = []
  const waiting = health.until('all resources', promise, () => why)
  assert.match(await ask(), /^503 .*waiting for all resources\b/)
  why = ['list Pods: forbidden']
  assert.match(await ask(), /^503 .*waiting for all resources: list Pods: forbidden/)
  clock.advance(65_000)
  assert.equal(lines.filter((line) => line.includes('still waiting for all resources: list Pods: forbidden')).length, 2)

  resolve('there')
  assert.equal(await waiting, 'there')
  clock.advance(65_000)
  assert.equal(lines.length, 2)
  health.waitingFor = ''
  assert.match(await ask(), /^200 /)
})
