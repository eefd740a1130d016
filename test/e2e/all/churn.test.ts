// A namespace in which pods come and go all the time, under load: no request is lost, and the mesh is not bigger afterwards.
import assert from 'node:assert/strict'
import { awaitPods, get, kubectl, readyPods } from '../harness/kubectl.ts'
import { under, withClientAndServer } from '../harness/load-under.ts'
import { SYSTEM, story } from '../harness/story.ts'

const PODS = Number(process.env.LATEEN_E2E_CHURN_PODS ?? 50)
const MINUTES = Number(process.env.LATEEN_E2E_CHURN_MINUTES ?? 10)
/** Replaced at once. Two processors are kept busy by three of them: nothing was lost then either, but requests queued for minutes. */
const AT_ONCE = Number(process.env.LATEEN_E2E_CHURN_AT_ONCE ?? 1)

story(
  'churn',
  `${PODS} pods that come and go for ${MINUTES} minutes cost no request`,
  async ({ namespace }, t) => {
    const client = await withClientAndServer(namespace, PODS, { 'sidecar.istio.io/proxyCPU': '10m' })
    const endsAt = performance.now() + MINUTES * 60_000
    let replaced = 0
    await under(t, client, MINUTES * 60 + 30, async () => {
      while (performance.now() < endsAt) {
        const oldest = (await readyPods(namespace, 'app=server')).toSorted(byAge).slice(0, AT_ONCE)
        await kubectl('delete', 'pod', '-n', namespace, ...oldest.map(({ metadata }) => metadata.name))
        await kubectl('rollout', 'status', 'deployment/server', '-n', namespace, '--timeout=100s')
        replaced += oldest.length
      }
    })
    t.diagnostic(`${replaced} pods were replaced`)
    await awaitPods(namespace, 'app=server', PODS)
    const restarts = (await readyPods(SYSTEM, 'app=lateen-control-plane')).flatMap(({ status }) => status?.containerStatuses ?? [])
    assert.ok(restarts.every(({ restartCount }) => restartCount === 0))
    const { status } = await get('virtualservice', 'server', namespace)
    t.diagnostic(status?.conditions?.find(({ type }) => type === 'Programmed')?.message ?? '')
  },
  { timeoutMs: (MINUTES + 10) * 60_000 },
)

function byAge(a: { readonly metadata: { readonly creationTimestamp?: string } }, b: typeof a): number {
  return (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '')
}
