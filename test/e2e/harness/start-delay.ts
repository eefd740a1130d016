// What the mesh costs when a pod starts: the time from its creation until it is ready, with and without sidecar, one after the other so that
// both meet the same machine. The difference of the medians is what a user waits longer.
import type { TestContext } from 'node:test'
import { apply, kubectl } from './kubectl.ts'
import { appContainer } from './workloads.ts'

const TRIES = 7

/** Of a pod that starts a second sooner: docs/decisions/start-of-a-pod.md. */
export const CLASSIC: Annotations = {
  'sidecar.istio.io/nativeSidecar': 'false',
  'proxy.istio.io/config': 'holdApplicationUntilProxyStarts: true',
}

type Annotations = Readonly<Record<string, string>>

function pod(name: string, injected: boolean, annotations: Annotations): object {
  // No readiness probe of its own: asked once a second, it would hide what is measured.
  const { readinessProbe: _, lifecycle: __, ...container } = appContainer() as Readonly<Record<string, unknown>>
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name, 'sidecar.istio.io/inject': String(injected) }, annotations },
    spec: { containers: [container] },
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** @param annotations of the pods; by default they get what every pod gets. */
export async function startDelayMs(namespace: string, t: TestContext, annotations: Annotations = {}): Promise<number> {
  const startMs = async (name: string, injected: boolean): Promise<number> => {
    const startedAt = performance.now()
    await apply([pod(name, injected, annotations)], namespace)
    await kubectl('wait', '--for=condition=Ready', `pod/${name}`, '-n', namespace, '--timeout=60s')
    const tookMs = performance.now() - startedAt
    await kubectl('delete', 'pod', name, '-n', namespace, '--grace-period=0', '--force')
    return tookMs
  }
  const took: { readonly plain: number[]; readonly injected: number[] } = { plain: [], injected: [] }
  for (let round = 0; round < TRIES; round++) {
    took.plain.push(await startMs(`plain-${round}`, false))
    took.injected.push(await startMs(`injected-${round}`, true))
  }
  const delayMs = median(took.injected) - median(took.plain)
  const told = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(' ')
  t.diagnostic(`plain ${told(took.plain)} ms; injected ${told(took.injected)} ms; median +${delayMs.toFixed(0)} ms`)
  return delayMs
}
