// The only pod that is left of a service fails its probe while another is on its way out and still answers. Kubernetes without a mesh sends to
// the one that goes (kube-proxy: traffic to terminating endpoints), and so does the mesh.
import assert from 'node:assert/strict'
import { waitFor } from '../../harness/wait.ts'
import { kubectl, list, readyPods, type Seen } from '../harness/kubectl.ts'
import { under, withClientAndServer } from '../harness/load-under.ts'
import { story } from '../harness/story.ts'
import { callerAt } from '../harness/workloads.ts'

/** The one that goes answers for longer than the other is away. */
const LINGER = { lifecycle: { preStop: { sleep: { seconds: 25 } } } }

const SOON = { timeoutMs: 15_000, pollMs: 200 }

function soleReadyPod(namespace: string): Promise<Seen> {
  return waitFor(
    async () => {
      const [pod, ...others] = await readyPods(namespace, 'app=server')
      return others.length === 0 && pod
    },
    { what: 'one pod of two is ready', ...SOON },
  )
}

story(
  'last-resort',
  'while the only pod left is not ready, the one that goes is called, and no request is lost',
  async ({ namespace }, t) => {
    const client = await withClientAndServer(namespace, 2, {}, { container: LINGER, spec: { terminationGracePeriodSeconds: 40 } })
    const report = await under(t, client, 30, async () => {
      await kubectl('scale', 'deployment/server', '-n', namespace, '--replicas=1')
      const left = await soleReadyPod(namespace)
      const caller = callerAt(left)
      await caller.setReady(false)
      await waitFor(async () => (await readyPods(namespace, 'app=server')).length === 0, { what: 'nobody is ready', ...SOON })
      assert.equal((await list('pods', namespace, 'app=server')).length, 2, 'one of them goes, and is not gone')
      const isAnsweredByTheOther = async (): Promise<boolean> => {
        const { status, headers } = await client.call({ url: 'http://server:8080/' })
        assert.equal(status, 200)
        return headers['x-answered-by']?.startsWith(left.metadata.name) === false
      }
      await waitFor(isAnsweredByTheOther, { what: 'the one that goes is called', ...SOON })
      await caller.setReady(true)
      assert.equal((await soleReadyPod(namespace)).metadata.name, left.metadata.name)
    })
    assert.equal(Object.keys(report.counted).length, 2, 'both answered')
  },
)
