// The wait for the proxy: until it is ready and not a moment less, with its own words for why not.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { awaitProxy, type ProxyAnswer, readinessOnPort } from './await-proxy.ts'

function scene(answers: () => ProxyAnswer) {
  const clock = new FakeClock()
  const lines: string[] = []
  let done = false
  const waited = awaitProxy({ ask: async () => answers(), say: (line) => void lines.push(line), clock }).then(() => {
    done = true
  })
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 25) {
      await new Promise(setImmediate)
      clock.advance(25)
    }
    await new Promise(setImmediate)
  }
  return { lines, waited, pass, isDone: () => done }
}

test('it ends when the proxy is ready, and a start that takes its time is not spoken of', async () => {
  let ready = false
  const { lines, waited, pass, isDone } = scene(() => ({ ready, reason: 'no certificate yet' }))
  await pass(1_500)
  assert.equal(isDone(), false)
  ready = true
  await pass(25)
  await waited
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /the proxy is ready, 15\d\d ms after the rules/)
})

test('what is waited for is said once, again when it is something else, and again after half a minute; the wait has no end', async () => {
  let reason = 'no certificate yet'
  const { lines, pass, isDone } = scene(() => ({ ready: false, reason }))
  await pass(10_000)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /waiting for the proxy .*: no certificate yet$/)
  reason = 'waiting for the first configuration'
  await pass(10_000)
  assert.match(lines[1] ?? '', /: waiting for the first configuration$/)
  await pass(25_000)
  assert.equal(lines.length, 3)
  await pass(600_000)
  assert.equal(isDone(), false)
})

test('readiness is the answer to a request, with its words; nobody there is one too', async (t) => {
  let status = 503
  const server = createServer((request, response) => {
    assert.match(request.url ?? '', /^\/healthz\/ready\?wait=\d+$/)
    response.writeHead(status, { 'content-type': 'text/plain' }).end(status === 200 ? 'LIVE' : 'no certificate yet: UNAVAILABLE')
  })
  server.listen(0)
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const ask = readinessOnPort(address.port)
  assert.deepEqual(await ask(), { ready: false, reason: 'no certificate yet: UNAVAILABLE' })
  status = 200
  assert.equal((await ask()).ready, true)
  server.close()
  const { ready, reason } = await ask()
  assert.equal(ready, false)
  assert.match(reason, /nobody answers on port \d+ \(ECONNREFUSED\)/)
})
