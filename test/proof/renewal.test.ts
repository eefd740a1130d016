// Certificates are renewed at half of their life; connections and requests do not notice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertNoneLost, describeLoad, postLoad } from '../harness/accounting.ts'
import { connectHttp, postOnce } from '../harness/http-connection.ts'
import { echoMesh } from '../harness/mesh-files.ts'
import { startEchoParts } from '../harness/mesh-parts.ts'
import { servedCertificate } from '../harness/tls-facts.ts'
import { waitFor } from '../harness/wait.ts'

test('certificates of six seconds are renewed at half their life without losing a request or a connection', async (t) => {
  const mesh = await startEchoParts(t, { files: echoMesh({ v2: 0 }), controlPlaneArgs: ['--certificate-lifetime', '6s'] })
  const own = await mesh.certificateFor('caller')
  const first = await servedCertificate(mesh.inbound('echo-v1'), own, mesh.rootPem)
  const lifeMs = first.notAfterMs - Date.now()
  assert.ok(lifeMs < 6500, `the certificate lives for ${lifeMs} ms`)
  const held = await connectHttp(mesh.outbound('caller'))
  t.after(() => held.close())
  assert.equal((await held.post('/pay')).status, 200)

  const load = postLoad(mesh.outbound('caller'), { ratePerSecond: 300, durationMs: 10_000 })
  const seen = [first]
  const leftMs: number[] = []
  await waitFor(
    async () => {
      // A new certificate each time: the one of the test would expire on the way.
      const served = await servedCertificate(mesh.inbound('echo-v1'), await mesh.certificateFor('caller'), mesh.rootPem)
      const last = seen.at(-1)
      if (last !== undefined && served.serial !== last.serial) {
        leftMs.push(last.notAfterMs - Date.now())
        seen.push(served)
      }
      return Date.now() > first.notAfterMs + 2000 && seen.length >= 3
    },
    { what: 'two renewals, and the end of the first certificate' },
  )
  const report = await load

  t.diagnostic(`${describeLoad(report)}; ${leftMs.length} renewals seen, with ${leftMs.map(Math.round).join(', ')} ms left`)
  assert.ok(
    leftMs.every((ms) => ms > 1000),
    'renewed long before the end',
  )
  assertNoneLost(report)
  assert.equal((await held.post('/pay')).status, 200, 'the connection held since the first certificate')
  assert.equal((await postOnce(mesh.outbound('caller'), '/pay')).status, 200, 'a new connection after the first certificate expired')
})
