// One of two replicas goes away under load: it says so, its callers go elsewhere, it finishes what it has begun, it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answersBy, assertNoneLost, describeLoad, postLoad } from '../harness/accounting.ts'
import { type Mesh, startMesh } from '../harness/mesh.ts'
import { echoMesh, echoWorkload } from '../harness/mesh-files.ts'
import { waitFor } from '../harness/wait.ts'

const LEAVING = 'echo-v1-2'
/** Long enough for requests to be under way at any time. */
const SLOW = '/wait/40'

test('SIGTERM to the sidecar of one of two replicas loses none, and the replica comes back', async (t) => {
  const mesh = await startMesh(t, { files: echoMesh({ v1: 2, v2: 0 }) })
  const load = postLoad(mesh.outbound('caller'), { ratePerSecond: 300, durationMs: 10_000, path: SLOW })
  await untilServing(mesh, LEAVING, 0)
  const pid = mesh.sidecarPid(LEAVING)

  process.kill(pid, 'SIGTERM')
  const killedAt = performance.now()
  await waitFor(() => !isAlive(pid), { what: 'the end of the sidecar', timeoutMs: 12_000 })
  const endedAt = performance.now()
  const served = mesh.accessLog(LEAVING).length
  await untilServing(mesh, LEAVING, served)
  const backAt = performance.now()
  const report = await load

  t.diagnostic(
    `${describeLoad(report)}; ended after ${Math.round(endedAt - killedAt)} ms, serving again ${Math.round(backAt - endedAt)} ms later`,
  )
  assertNoneLost(report)
  assert.notEqual(mesh.sidecarPid(LEAVING), pid)
})

test('a replica taken away by an edit loses none', async (t) => {
  const mesh = await startMesh(t, { files: echoMesh({ v1: 2, v2: 0 }) })
  const load = postLoad(mesh.outbound('caller'), { ratePerSecond: 300, durationMs: 6000, path: SLOW })
  await untilServing(mesh, LEAVING, 0)
  const pid = mesh.sidecarPid(LEAVING)

  mesh.write('echo-v1.yaml', echoWorkload('v1', 1))
  await waitFor(() => !isAlive(pid), { what: 'the end of the sidecar', timeoutMs: 12_000 })
  const report = await load

  t.diagnostic(`${describeLoad(report)}; ${JSON.stringify(Object.fromEntries(answersBy(report, 0)))}`)
  assertNoneLost(report)
  const byInstance = answersBy(report, 0)
  assert.deepEqual([...byInstance.keys()].sort(), ['echo-v1', LEAVING])
  assert.ok((byInstance.get('echo-v1') ?? 0) > (byInstance.get(LEAVING) ?? 0), 'the replica that stayed answered the rest')
})

async function untilServing(mesh: Mesh, instance: string, before: number): Promise<void> {
  await waitFor(() => mesh.accessLog(instance).length > before + 20, { what: `${instance} serving`, timeoutMs: 12_000 })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
