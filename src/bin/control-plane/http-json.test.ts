// JSON over HTTP: long lists go out in slices, and read as one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../base/log.ts'
import { createJsonServer, type Routes } from './http-json.ts'

async function startServer(
  t: TestContext,
  routes: Routes,
): Promise<(path: string) => Promise<{ readonly status: number; readonly text: string }>> {
  const server = createJsonServer(routes, silentLogger)
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return (path) =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: address.port, path, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      }).on('error', reject)
    })
}

test('a list reads as the field of the body that it is, however long', async (t) => {
  for (const length of [0, 1, 200, 201, 1000]) {
    const items = Array.from({ length }, (_, index) => ({ name: `„${index}“` }))
    const ask = await startServer(t, {
      'GET /alone': () => ({ status: 200, body: {}, list: { name: 'objects', items } }),
      'GET /beside': () => ({ status: 200, body: { total: length }, list: { name: 'objects', items } }),
    })
    assert.deepEqual(JSON.parse((await ask('/alone')).text), { objects: items })
    assert.deepEqual(JSON.parse((await ask('/beside')).text), { total: length, objects: items })
  }
})

test('somebody else is answered while a long list goes out', async (t) => {
  const order: string[] = []
  const items = Array.from({ length: 20_000 }, (_, index) => ({
    toJSON() {
      if (index === 0 || index === 19_999) order.push(`item ${index}`)
      return { name: `n${index}`, padding: 'x'.repeat(50) }
    },
  }))
  let began = (): void => undefined
  const hasBegun = new Promise<void>((resolve) => {
    began = resolve
  })
  const ask = await startServer(t, {
    'GET /long': () => {
      began()
      return { status: 200, body: {}, list: { name: 'objects', items } }
    },
    'GET /short': () => {
      order.push('short')
      return { status: 200, body: {} }
    },
  })
  const long = ask('/long')
  await hasBegun
  await ask('/short')
  await long
  assert.deepEqual(order, ['item 0', 'short', 'item 19999'])
})

test('a question that nobody answers is told what there is', async (t) => {
  const ask = await startServer(t, { 'GET /version': () => ({ status: 200, body: {} }) })
  const { status, text } = await ask('/nothing')
  assert.equal(status, 404)
  assert.match(text, /there are: GET \/version/)
})
