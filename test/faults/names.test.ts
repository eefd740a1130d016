// The name of an upstream cannot be resolved any more, under load: docs/faults.md 5. The proxy has a resolver configuration of its own
// (a private mount namespace) that names a server of the test's, which answers, refuses, or says nothing.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { startBackend } from './backends.ts'
import { socketAddress } from './bootstrap.ts'
import { startDrill } from './drill.ts'
import { whatIsMissing } from './network.ts'
import { temporaryFolder } from './sidecar.ts'
import { HTTP1 } from './wires.ts'

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
  const resolver = path.join(temporaryFolder(t), 'resolv.conf')
  writeFileSync(resolver, `nameserver ${names.address}\noptions timeout:1 attempts:1\n`)
  const application = await startBackend(t, { wire: HTTP1, identities: undefined })
  const byName = (name: string, host: string) => ({
    type: 'STRICT_DNS',
    connect_timeout: '2s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, application.port) } }] }],
    },
  })
  const drill = await startDrill(t, {
    // Every connection serves ten requests, so that new ones are opened, and names asked for, all the time.
    well: { cluster: { ...byName('well', 'echo.test'), max_requests_per_connection: 10 } },
    clusters: [{ name: 'never', host: 'never.test', port: application.port, overrides: byName('never', 'never.test') }],
    routes: [{ to: 'never' }],
    sidecar: { under: ['unshare', '-m', 'sh', '-c', `mount --bind ${resolver} /etc/resolv.conf && exec "$0" "$@"`] },
  })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  const never = async (): Promise<number> => (await fetch(`http://127.0.0.1:${sidecar.port}/never`)).status
  for (const mood of ['silent', 'refuses'] as const) {
    const [asked, failed] = [names.state.asked, await sidecar.metric('lateen_proxy_name_lookup_failures_total')]
    names.state.mood = mood
    await load.phase(mood)
    assert.equal(await never(), 503)
    // The known name is old after five seconds, and asked for again.
    await sidecar.untilMetric((value) => value > failed + 1, 'lateen_proxy_name_lookup_failures_total')
    assert.ok(names.state.asked > asked, 'the name server was asked')
    await drill.allIsWell(mood)
  }
  await sidecar.untilSaid('its last addresses stay in use')
  assert.equal((await sidecar.untilLogged(2, ({ path: target, flags }) => target === '/never' && flags === 'UF')).length, 2)
  names.state.mood = 'answers'
  await load.phase('after')
  await waitFor(async () => (await never()) === 200, { what: 'the name to be known', timeoutMs: 45_000, pollMs: 200 })
  await drill.allIsWell('after')
  await drill.finish()
})
