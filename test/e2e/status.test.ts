// The status never lies: a proxy that has not taken a change is counted out and named, also when another replica of the control plane than
// the one that writes the status serves it, and counted in when it has.
import assert from 'node:assert/strict'
import { apply, awaitCondition, readyPods } from './harness/kubectl.ts'
import { processOf } from './harness/pod-process.ts'
import { withValues } from './harness/release.ts'
import { story } from './harness/story.ts'
import { deploy } from './harness/workloads.ts'

const PODS = 6

/** Concerns every proxy of the namespace. */
function route(timeout: string): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'server' },
    spec: { hosts: ['server'], exportTo: ['.'], http: [{ timeout, route: [{ destination: { host: 'server' } }] }] },
  }
}

function programmed(namespace: string, generation: number, message: RegExp): Promise<unknown> {
  return awaitCondition(
    ...(['virtualservice', 'server', namespace] as const),
    (condition) => condition.type === 'Programmed' && condition.observedGeneration === generation && message.test(condition.message ?? ''),
    `generation ${generation} programmed: ${message}`,
  )
}

story(
  'status',
  'a stopped proxy is counted out by name, whichever replica serves it, and in again when it goes on',
  async ({ namespace }, t) => {
    await withValues(['controlPlane.replicas=2'], async () => {
      await deploy(namespace, { name: 'server', replicas: PODS })
      await apply([route('5s')], namespace)
      await programmed(namespace, 1, new RegExp(`^${PODS} of ${PODS} proxies`))
      let generation = 1
      // Three of them: which replica serves one is chance, and the rule is the same for both.
      for (const { metadata } of (await readyPods(namespace, 'app=server')).slice(0, 3)) {
        const pid = await processOf(namespace, metadata.name, 'lateen-proxy')
        process.kill(pid, 'SIGSTOP')
        try {
          await apply([route(`${++generation + 5}s`)], namespace)
          await programmed(namespace, generation, new RegExp(`^${PODS - 1} of ${PODS} proxies: .*${namespace}/${metadata.name}`))
        } finally {
          process.kill(pid, 'SIGCONT')
        }
        await programmed(namespace, generation, new RegExp(`^${PODS} of ${PODS} proxies`))
        t.diagnostic(`${metadata.name}: ${PODS - 1} of ${PODS} while stopped, ${PODS} of ${PODS} afterwards`)
      }
      assert.equal(generation, 4)
    })
  },
)
