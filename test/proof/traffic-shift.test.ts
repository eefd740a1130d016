// A canary is shifted by editing a file, while requests that must not be repeated keep coming.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answersBy, assertNoneLost, describeLoad, postLoad } from '../harness/accounting.ts'
import { type Mesh, startMesh } from '../harness/mesh.ts'
import { echoMesh, split } from '../harness/mesh-files.ts'
import { waitFor } from '../harness/wait.ts'

/** Requests that were logged one after another without exception to the new version before a shift counts as landed. */
const IN_A_ROW = 25
const REQUESTS = 10_000

test('a split of 80 to 20 over 10,000 requests is within three standard deviations', async (t) => {
  const mesh = await startMesh(t, { files: { ...echoMesh(), 'route.yaml': split(80, 20) } })

  const report = await postLoad(mesh.outbound('caller'), { requests: REQUESTS, connections: 4, durationMs: 60_000 })

  assertNoneLost(report)
  assert.equal(report.sent, REQUESTS)
  const toV2 = answersBy(report, 1).get('v2') ?? 0
  const deviation = Math.sqrt(report.sent * 0.2 * 0.8)
  const sigmas = (toV2 - report.sent * 0.2) / deviation
  t.diagnostic(`${describeLoad(report)}; v2 ${toV2}, ${sigmas.toFixed(2)} standard deviations from 20 %`)
  assert.ok(Math.abs(sigmas) <= 3, `v2 got ${toV2} of ${report.sent}: ${sigmas} standard deviations`)
})

test('shifting the weights under 500 requests a second loses none, and every shift is really in force', async (t) => {
  const mesh = await startMesh(t, { files: { ...echoMesh(), 'route.yaml': split(100, 0) } })
  let running = true
  const load = postLoad(mesh.outbound('caller'), { ratePerSecond: 500, durationMs: 10_000 }).finally(() => {
    running = false
  })

  const landedMs: number[] = []
  for (const version of alternating()) {
    await untilInForce(mesh, version, () => running)
    if (!running) break
    const savedAt = performance.now()
    mesh.write('route.yaml', version === 'v1' ? split(0, 100) : split(100, 0))
    await untilInForce(mesh, version === 'v1' ? 'v2' : 'v1', () => running)
    if (running) landedMs.push(performance.now() - savedAt)
  }
  const report = await load

  assertNoneLost(report)
  const sorted = landedMs.toSorted((a, b) => a - b)
  t.diagnostic(
    `${describeLoad(report)}; ${landedMs.length} shifts, file saved to ${IN_A_ROW} requests on the new version: median ${Math.round(sorted[sorted.length >> 1] ?? 0)} ms, worst ${Math.round(sorted.at(-1) ?? 0)} ms`,
  )
  assert.ok(landedMs.length >= 5, `only ${landedMs.length} shifts landed`)
})

function* alternating(): Generator<'v1' | 'v2'> {
  for (;;) {
    yield 'v1'
    yield 'v2'
  }
}

/** The newest requests, by the caller's access log, all went to this version. */
async function untilInForce(mesh: Mesh, version: 'v1' | 'v2', running: () => boolean): Promise<void> {
  const before = mesh.accessLog('caller').length
  await waitFor(
    () => {
      if (!running()) return true
      const log = mesh.accessLog('caller')
      const newest = log.slice(-IN_A_ROW)
      return log.length >= before + IN_A_ROW && newest.every(({ cluster }) => cluster.includes(`|${version}|`))
    },
    { what: `the shift to ${version}`, timeoutMs: 5000 },
  )
}
