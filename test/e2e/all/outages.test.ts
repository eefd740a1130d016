// What fails closed and what fails static when the control plane is away: traffic goes on as it was, and a pod is either injected or not
// created, as the user has chosen.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { waitFor } from '../../harness/wait.ts'
import { apply, awaitCondition, type Condition, get, kubectl } from '../harness/kubectl.ts'
import { PROTOCOLS, under, withClientAndServer } from '../harness/load-under.ts'
import { withValues } from '../harness/release.ts'
import { SYSTEM, story } from '../harness/story.ts'
import { appContainer } from '../harness/workloads.ts'

const OUTAGE_SECONDS = Number(process.env.LATEEN_E2E_OUTAGE_SECONDS ?? 60)
const CONTROL_PLANE = ['deployment/lateen-control-plane', '-n', SYSTEM]

/** Without any replica while `act` runs. */
async function withoutControlPlane(act: () => Promise<void>): Promise<void> {
  await kubectl('scale', ...CONTROL_PLANE, '--replicas=0')
  await kubectl('wait', '--for=delete', 'pod', '-n', SYSTEM, '-l', 'app=lateen-control-plane', '--timeout=60s')
  try {
    await act()
  } finally {
    await kubectl('scale', ...CONTROL_PLANE, '--replicas=1')
    await kubectl('rollout', 'status', ...CONTROL_PLANE, '--timeout=60s')
  }
}

function pod(name: string): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec: { containers: [appContainer()] } }
}

for (const [protocol, short] of PROTOCOLS) {
  story(
    `outage-all-${short}`,
    `${protocol}: all replicas of the control plane are away, and no request is lost`,
    async ({ namespace }, t) => {
      const client = await withClientAndServer(namespace, 2)
      await under(t, client, OUTAGE_SECONDS + 20, () => withoutControlPlane(() => pause(OUTAGE_SECONDS * 1000)), protocol)
      const changed = { spec: { hosts: ['server'], http: [{ match: [{ port: 8080 }], directResponse: { status: 418 } }] } }
      await apply([{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'server' }, ...changed }], namespace)
      const isInForce = ({ type, status, observedGeneration = 0 }: Condition): boolean =>
        type === 'Programmed' && status === 'True' && observedGeneration >= 2
      await awaitCondition('virtualservice', 'server', namespace, isInForce, 'programmed')
      assert.equal((await client.call({ url: 'http://server:8080/' })).status, 418, 'changes take effect when it is back')
    },
  )
}

story(
  'webhook-fail',
  'without the webhook, failurePolicy Fail keeps pods of the mesh from being created without sidecar',
  async ({ namespace }) => {
    await withoutControlPlane(async () => {
      await assert.rejects(apply([pod('refused')], namespace), /lateen/, 'the API server names the webhook')
      // Who is not in the mesh does not notice.
      await apply([pod('bystander')], 'default')
      await kubectl('delete', 'pod', 'bystander', '-n', 'default', '--wait=false')
    })
    await waitFor(async () => (await apply([pod('later')], namespace)).stdout, {
      what: 'a pod is created again',
      timeoutMs: 20_000,
      pollMs: 500,
    })
  },
)

story('webhook-ignore', 'without the webhook, failurePolicy Ignore creates pods without sidecar', async ({ namespace }) => {
  await withValues(['injector.failurePolicy=Ignore'], () =>
    withoutControlPlane(async () => {
      await apply([pod('bare')], namespace)
      const { spec } = await get('pod', 'bare', namespace)
      assert.doesNotMatch(JSON.stringify(spec), /lateen-proxy/)
    }),
  )
})

for (const [protocol, short] of PROTOCOLS) {
  story(`upgrade-${short}`, `${protocol}: an upgrade that replaces the control plane costs no request`, async ({ namespace }, t) => {
    const client = await withClientAndServer(namespace, 2)
    const upgraded = ['controlPlane.podAnnotations.upgraded=yes']
    await under(t, client, 60, () => withValues(upgraded, () => Promise.resolve()), protocol)
  })
}
