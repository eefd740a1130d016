// Nobody takes the access log any more: the disk is full, the reader is gone, the reader sleeps: docs/faults.md 18, 19.
// Lines are lost and counted, requests are not.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { type Drill, startDrill } from './drill.ts'
import { whatIsMissing } from './network.ts'

const DROPPED = 'lateen_proxy_access_log_dropped_total'
const FAILED = 'lateen_proxy_access_log_failed_writes_total'

/** Without the log there are no books to compare with; what is left of them. Resolves to the number of requests. */
async function finishWithoutLog({ load, sidecar }: Drill): Promise<number> {
  await load.stop()
  const phases = load.phases('well').map(([, counts]) => counts)
  for (const { sent, statuses, broken } of phases) assert.deepEqual({ statuses, broken }, { statuses: { 200: sent }, broken: {} })
  const sent = phases.reduce((total, counts) => total + counts.sent, 0)
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="200"', 'response_flags="-"'), sent)
  return sent
}

test('a full disk under the access log costs lines, not requests; with room again there are whole lines again', {
  skip: whatIsMissing(),
}, async (t) => {
  const disk = '/mnt'
  const drill = await startDrill(t, {
    sidecar: {
      accessLog: `${disk}/access.log`,
      // A disk of 16 KiB in a mount namespace that ends with the process.
      under: ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=16k none ${disk} && exec "$0" "$@"`],
    },
  })
  const { load, sidecar } = drill
  const seen = `/proc/${sidecar.pid}/root${disk}/access.log`
  const whole = (phase: string): number =>
    sidecar.requests(seen).filter(({ path, status, flags }) => path.startsWith(`/well/${phase}`) && status === 200 && flags === '-').length
  await sidecar.untilMetric((value) => value >= 1, FAILED)
  await sidecar.untilMetric((value) => value >= 1, DROPPED)
  await load.phase('fault')
  await drill.allIsWell('fault')
  const full = whole('')
  execFileSync('nsenter', ['-t', String(sidecar.pid), '-m', 'mount', '-o', 'remount,size=64m', disk])
  await load.phase('mend')
  await drill.allIsWell('mend')
  await load.phase('after')
  await drill.allIsWell('after')
  const total = await finishWithoutLog(drill)
  // The line that the disk cut in two is lost and counted as such; the rest of it stands in a line of its own.
  const lost = await sidecar.untilMetric((value) => whole('') + value >= total && whole('') + value <= total + 2, DROPPED)
  t.diagnostic(`${full} lines fitted, ${lost} were lost of ${total}`)
  assert.ok(lost >= 1)
  assert.ok(whole('') > full, 'the log goes on')
  assert.equal(whole('after'), load.counts('well', 'after').sent, 'with room nothing is lost')
  await sidecar.untilSaid('access log cannot be written')
  await drill.assertSound()
})

/** Ends when it is told to, although nobody takes what it has to say. */
async function assertEnds({ sidecar }: Drill): Promise<void> {
  const ended = new Promise((resolve) => sidecar.process.once('exit', (code) => resolve(code)))
  sidecar.process.kill('SIGTERM')
  assert.equal(await ended, 0)
}

test('the reader of the log is gone: requests are served, lines are counted as lost, and it stops cleanly', async (t) => {
  const drill = await startDrill(t, { sidecar: { accessLog: 'stdout', onStdout: (stdout) => stdout.destroy() } })
  await drill.allIsWell('before')
  const total = await finishWithoutLog(drill)
  await drill.sidecar.untilMetric((value) => value === total, DROPPED)
  await drill.assertSound()
  await assertEnds(drill)
})

test('the reader of the log sleeps: requests are served, what does not fit is counted, and a stop does not wait for it', async (t) => {
  let stdout: Readable | undefined
  const drill = await startDrill(t, {
    sidecar: {
      accessLog: 'stdout',
      args: ['--drain-time', '1'],
      // The pipe and 4 MiB of memory are full after a hundred and some requests.
      logFiller: 'x'.repeat(32 * 1024),
      onStdout: (given) => {
        stdout = given
        given.pause()
      },
    },
  })
  await drill.sidecar.untilMetric((value) => value >= 1, DROPPED)
  await drill.load.phase('after')
  await drill.allIsWell('after')
  const total = await finishWithoutLog(drill)
  const lost = await drill.sidecar.metric(DROPPED)
  t.diagnostic(`${lost} lines were lost of ${total}`)
  assert.ok(total - lost <= 150, 'what waits in memory is bounded')
  assert.equal(stdout?.isPaused(), true)
  await drill.assertSound()
  await assertEnds(drill)
})
