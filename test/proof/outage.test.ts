// The control plane is killed and stays away. The mesh goes on with what it has; what is changed meanwhile waits and then lands.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delay, systemClock } from '../../src/base/clock.ts'
import { assertNoneLost, describeLoad, postLoad } from '../harness/accounting.ts'
import { connectHttp, postOnce } from '../harness/http-connection.ts'
import { isSynced } from '../harness/mesh.ts'
import { echoMesh, split } from '../harness/mesh-files.ts'
import { startEchoParts } from '../harness/mesh-parts.ts'
import { waitFor } from '../harness/wait.ts'

const OUTAGE_MS = 30_000
const RATE = 300

test('a control plane killed for 30 seconds loses no request, and a change made meanwhile lands when it is back', async (t) => {
  const mesh = await startEchoParts(t, { files: { ...echoMesh(), 'route.yaml': split(100, 0) } })
  const caller = mesh.outbound('caller')
  const held = await connectHttp(caller)
  t.after(() => held.close())
  assert.equal((await held.post('/pay')).status, 200)
  const load = postLoad(caller, { ratePerSecond: RATE, durationMs: OUTAGE_MS + 7500 })

  await mesh.kill('control-plane')
  const killedAt = performance.now()
  mesh.write('route.yaml', split(0, 100))
  await delay(systemClock, OUTAGE_MS)
  const duringOutage = mesh.accessLog('caller').filter(({ cluster }) => cluster.includes('|v2|')).length
  const requestsDuringOutage = mesh.accessLog('caller').length
  mesh.startControlPlane()
  await mesh.untilControlPlaneAnswers()
  const backAt = performance.now()
  await waitFor(async () => (await postOnce(caller, '/pay')).headers.get('x-answered-by')?.startsWith('echo-v2 ') === true, {
    what: 'the change that waited',
    timeoutMs: 15_000,
  })
  const landedAt = performance.now()
  await waitFor(
    async () => {
      const proxies = await mesh.proxies()
      return proxies.length === 3 && proxies.every(isSynced)
    },
    { what: 'all three proxies synced again' },
  )
  const report = await load

  t.diagnostic(
    `${describeLoad(report)}; down ${Math.round(backAt - killedAt)} ms, ${requestsDuringOutage} requests meanwhile, ` +
      `the change landed ${Math.round(landedAt - backAt)} ms after the control plane answered`,
  )
  assertNoneLost(report)
  assert.ok(requestsDuringOutage > (RATE * OUTAGE_MS * 0.9) / 1000, `only ${requestsDuringOutage} requests during the outage`)
  assert.equal(duringOutage, 0, 'the change was live while the control plane was down')
  assert.equal(
    (await held.post('/pay')).headers.get('x-answered-by'),
    'echo-v2 v2 attempt 1',
    'the connection held since before the outage',
  )
})
