// The name of an upstream cannot be resolved any more, under load: docs/faults.md 4. The proxy has a resolver configuration of its own
// (a private mount namespace) that names a server of the test's, which answers, refuses, or says nothing.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { socketAddress } from './bootstrap.ts'
import { whatIsMissing } from './network.ts'
import { describe, startBackend, startSidecar } from './sidecar.ts'

type Mood = 'answers' | 'refuses' | 'silent'

/** A name server that knows one address for every name. */
async function startNameServer(t: TestContext) {
  const address = `127.53.${process.pid % 250}.53`
  const state: { mood: Mood; asked: number } = { mood: 'answers', asked: 0 }
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address: from }) => {
    state.asked++
    if (state.mood !== 'silent') socket.send(answerTo(query, state.mood === 'refuses'), port, from)
  })
  socket.bind(53, address)
  await once(socket, 'listening')
  t.after(() => socket.close())
  return { address, state }
}

/** RFC 1035 4.1: the question again, and for an A question 127.0.0.1. */
function answerTo(query: Buffer, fails: boolean): Buffer {
  const end = query.indexOf(0, 12) + 5
  const isA = query.readUInt16BE(end - 4) === 1
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(fails ? 0x8182 : 0x8180, 2)
  header.writeUInt16BE(isA && !fails ? 1 : 0, 6)
  header.fill(0, 8)
  const record = Buffer.from('c00c0001000100000001' + '0004' + '7f000001', 'hex')
  return Buffer.concat([header, query.subarray(12, end), isA && !fails ? record : Buffer.alloc(0)])
}

test('a name that is not resolved any more: its last address serves; a name that never was: 503', { skip: whatIsMissing() }, async (t) => {
  const names = await startNameServer(t)
  const backend = await startBackend(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-names-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const resolver = path.join(folder, 'resolv.conf')
  writeFileSync(resolver, `nameserver ${names.address}\noptions timeout:1 attempts:1\n`)
  const byName = (host: string) => ({
    type: 'STRICT_DNS',
    connect_timeout: '0.5s',
    load_assignment: {
      cluster_name: 'upstream',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, backend.port) } }] }],
    },
  })
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    // Every connection serves ten requests, so that new ones are opened, and names asked for, all the time.
    cluster: { ...byName('echo.test'), max_requests_per_connection: 10 },
    clusters: [
      { name: 'never', ...byName('never.test'), load_assignment: { ...byName('never.test').load_assignment, cluster_name: 'never' } },
    ],
    manager: {
      route_config: {
        name: 'drill',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              { match: { prefix: '/never' }, route: { cluster: 'never', timeout: '0s' } },
              { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
            ],
          },
        ],
      },
    },
    under: ['unshare', '-m', 'sh', '-c', `mount --bind ${resolver} /etc/resolv.conf && exec "$0" "$@"`],
  })
  // The answer of this request is what the name is known by, and it is five seconds old in five seconds.
  const warm = await sidecar.load(500)
  const asked = names.state.asked
  names.state.mood = 'silent'
  const load = sidecar.load(6500)
  await sidecar.untilMetric(1, 'lateen_proxy_name_lookup_failures_total')
  const never = await fetch(`http://127.0.0.1:${sidecar.port}/never`)
  assert.equal(never.status, 503)
  names.state.mood = 'refuses'
  const report = await load
  t.diagnostic(describe(warm, report))
  assert.ok(names.state.asked > asked, 'the name was asked for again')
  names.state.mood = 'answers'
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([warm, report, after], { 200: ['-'] })
  assert.equal((await fetch(`http://127.0.0.1:${sidecar.port}/never`)).status, 200)
  await sidecar.untilLogged(({ path: target, flags }) => target === '/never' && flags === 'UF', 'the name that was never known')
  await sidecar.untilSaid('its last addresses stay in use')
})
