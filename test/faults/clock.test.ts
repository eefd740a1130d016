// The wall clock is set, forward and back, under load: docs/faults.md 8. With libfaketime (Debian: faketime), which a test run without
// it says; what certificates do is proven without it, in src/proxy/certs/certificate-manager.test.ts.
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { describe, startBackend, startSidecar } from './sidecar.ts'

const [LIBRARY = ''] = globSync('/usr/lib/*/faketime/libfaketime.so.1')

test('a wall clock that jumps by ten hours, forward and back: no request notices', {
  skip: existsSync(LIBRARY) ? false : 'libfaketime is not installed (apt-get install faketime)',
}, async (t) => {
  const backend = await startBackend(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-clock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'offset')
  writeFileSync(file, '+0\n')
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    route: { timeout: '5s' },
    env: { LD_PRELOAD: LIBRARY, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
  })
  const aheadMs = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${sidecar.port}/date`)
    await response.text()
    return Date.parse(response.headers.get('date') ?? '') - Date.now()
  }
  const load = sidecar.load(2500)
  await sidecar.untilAnswered(100)
  writeFileSync(file, '+10h\n')
  await waitFor(async () => (await aheadMs()) > 9 * 3_600_000, { what: 'the jump forward' })
  writeFileSync(file, '-10h\n')
  await waitFor(async () => (await aheadMs()) < -9 * 3_600_000, { what: 'the jump back' })
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.ok(report.latencyMs.max < 5000)
})
