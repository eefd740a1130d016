// The wall clock is set, forward and back, under load: docs/faults.md 9. With libfaketime (Debian: faketime), which a test run without
// it says; what certificates do is proven without it, in src/proxy/certs/certificate-manager.test.ts.
import { existsSync, globSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { startDrill } from './drill.ts'
import { temporaryFolder } from './sidecar.ts'
import { HTTP1, MUTUAL_HTTP2 } from './wires.ts'

const [LIBRARY = ''] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
const HOUR_MS = 3_600_000

for (const wire of [HTTP1, MUTUAL_HTTP2]) {
  test(`${wire.name}: a wall clock that jumps by ten minutes, forward and back: no request notices`, {
    skip: existsSync(LIBRARY) ? false : 'libfaketime is not installed (apt-get install faketime)',
  }, async (t) => {
    const file = path.join(temporaryFolder(t), 'offset')
    writeFileSync(file, '+0\n')
    const drill = await startDrill(t, {
      wire,
      // A deadline by the wall clock would be over, or ten minutes away.
      well: { route: { timeout: '30s' } },
      sidecar: { env: { LD_PRELOAD: LIBRARY, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' } },
    })
    const aheadMs = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${drill.sidecar.adminPort}/ready`)
      await response.text()
      return Date.parse(response.headers.get('date') ?? '') - Date.now()
    }
    await drill.allIsWell('before')
    for (const [phase, offset, sign] of [
      ['forward', '+10m', 1],
      ['back', '-10m', -1],
      ['after', '+0', 0],
    ] as const) {
      writeFileSync(file, `${offset}\n`)
      const jumped = async (): Promise<boolean> => Math.abs((await aheadMs()) - (sign * HOUR_MS) / 6) < HOUR_MS / 12
      await waitFor(jumped, { what: `the clock to go ${offset}`, timeoutMs: 45_000 })
      await drill.load.phase(phase)
      await drill.allIsWell(phase)
    }
    await drill.finish()
  })
}
