// How long the creation of a pod waits for its sidecar: fifty pods at once, by the webhook's own clock and by that of the API server, which
// counts the connection too. Told, not judged: on a quiet machine 99 of 100 are to be within 20 ms.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { waitFor } from '../../harness/wait.ts'
import { countOf, describeHistogram, type Histogram, NO_HISTOGRAM, readHistogram, since } from '../harness/histogram.ts'
import { apply, kubectl, list, readyPods } from '../harness/kubectl.ts'
import { SYSTEM, story } from '../harness/story.ts'
import { app } from '../harness/workloads.ts'

const PODS = 50

/** They are created, and never run: what is asked is what creation costs. */
const NOWHERE = { nodeSelector: { 'lateen.dev/e2e': 'nowhere' } }

/** Of all replicas. */
async function byTheWebhook(): Promise<Histogram> {
  const addresses = (await readyPods(SYSTEM, 'app=lateen-control-plane')).map(({ status }) => status?.podIP ?? '')
  const texts = await Promise.all(addresses.map(async (address) => (await fetch(`http://${address}:15014/metrics`)).text()))
  return readHistogram(texts.join('\n'), 'sidecar_injection_time_seconds')
}

async function byTheApiServer(): Promise<Histogram> {
  const text = await kubectl('get', '--raw', '/metrics')
  return readHistogram(text, 'apiserver_admission_webhook_admission_duration_seconds', 'inject')
}

async function burst(namespace: string, name: string, t: TestContext): Promise<void> {
  const before = await Promise.all([byTheWebhook(), byTheApiServer()])
  await apply(app({ name, replicas: PODS, spec: NOWHERE }), namespace)
  const pods = await waitFor(
    async () => {
      const found = await list('pods', namespace, `app=${name}`)
      return found.length === PODS && found
    },
    { what: `${PODS} pods`, timeoutMs: 60_000, pollMs: 500 },
  )
  for (const { spec } of pods) assert.match(JSON.stringify(spec), /lateen-proxy/)
  const after = await Promise.all([byTheWebhook(), byTheApiServer()])
  for (const [index, who] of ['the webhook', 'the API server'].entries()) {
    const took = since(before[index] ?? NO_HISTOGRAM, after[index] ?? NO_HISTOGRAM)
    t.diagnostic(`${name}, ${who}: ${describeHistogram(took)}`)
    const calls = countOf(took)
    // Once for each: what is injected leaves the API server nothing to add, for which it would ask again.
    assert.ok(calls >= PODS && calls < 1.5 * PODS, `${who} counted ${calls} calls`)
  }
}

story('webhook-latency', 'fifty pods at once are injected, and how long that takes is told', async ({ namespace }, t) => {
  await burst(namespace, 'first', t)
  await burst(namespace, 'second', t)
})
