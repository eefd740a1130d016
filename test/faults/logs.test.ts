// Nobody takes the access log any more: the disk is full, the reader is gone, the reader sleeps: docs/faults.md 14, 15.
// Lines are lost and counted, requests are not.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { whatIsMissing } from './network.ts'
import { describe, LOAD_PATH, type Sidecar, startBackend, startSidecar } from './sidecar.ts'

function assertAllAnswered(report: Awaited<ReturnType<Sidecar['load']>>): void {
  assert.deepEqual(report.statuses, { 200: report.sent }, JSON.stringify(report))
  assert.deepEqual(report.broken, {})
}

test('a full disk under the access log costs lines, not requests; with room again there are whole lines again', {
  skip: whatIsMissing(),
}, async (t) => {
  const backend = await startBackend(t)
  const disk = '/mnt'
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    accessLog: `${disk}/access.log`,
    // A disk of 16 KiB in a mount namespace that ends with the process.
    under: ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=16k none ${disk} && exec "$0" "$@"`],
  })
  const seen = `/proc/${sidecar.pid}/root${disk}/access.log`
  const load = sidecar.load(2000)
  await sidecar.untilMetric(1, 'lateen_proxy_access_log_failed_writes_total')
  await sidecar.untilMetric(1, 'lateen_proxy_access_log_dropped_total')
  const full = sidecar.requests(seen).length
  execFileSync('nsenter', ['-t', String(sidecar.pid), '-m', 'mount', '-o', 'remount,size=16m', disk])
  const report = await load
  const after = await sidecar.assertRecovered()
  assertAllAnswered(report)
  const total = report.sent + after.sent
  const dropped = await waitFor(
    async () => {
      const lost = await sidecar.metric('lateen_proxy_access_log_dropped_total')
      const whole = sidecar.requests(seen).filter(({ path, status, flags }) => path === LOAD_PATH && status === 200 && flags === '-').length
      // The line that the disk cut in two is lost and counted as such; the rest of it stands in a line of its own.
      return whole + lost >= total && whole + lost <= total + 2 ? lost : undefined
    },
    { what: 'every line to be written or counted as lost' },
  )
  t.diagnostic(`${describe(report, after)}; ${full} lines fitted, ${dropped} were lost of ${total}`)
  assert.ok(sidecar.requests(seen).length > full, 'the log goes on')
  await sidecar.untilSaid('access log cannot be written')
})

test('the reader of the log is gone: requests are served, lines are counted as lost, and it stops cleanly', async (t) => {
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    accessLog: 'stdout',
    onStdout: (stdout) => stdout.destroy(),
  })
  const report = await sidecar.load(1000)
  assertAllAnswered(report)
  await sidecar.untilMetric(report.sent, 'lateen_proxy_access_log_dropped_total')
  assertAllAnswered(await sidecar.assertRecovered())
  const ended = new Promise((resolve) => sidecar.process.once('exit', (code) => resolve(code)))
  sidecar.process.kill('SIGTERM')
  assert.equal(await ended, 0)
})

test('the reader of the log sleeps: requests are served, and a stop does not wait for it', async (t) => {
  const backend = await startBackend(t)
  let stdout: Readable | undefined
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    accessLog: 'stdout',
    args: ['--drain-time', '1'],
    logFiller: 'x'.repeat(1000),
    onStdout: (given) => {
      stdout = given
      given.pause()
    },
  })
  // A pipe holds 64 KiB, the proxy's buffer some more: what comes then waits in memory, up to 4 MiB.
  const report = await sidecar.load(1500)
  t.diagnostic(describe(report))
  assertAllAnswered(report)
  assert.equal(stdout?.isPaused(), true)
  assertAllAnswered(await sidecar.assertRecovered())
  const ended = new Promise((resolve) => sidecar.process.once('exit', (code) => resolve(code)))
  sidecar.process.kill('SIGTERM')
  assert.equal(await ended, 0)
})
