// What the mesh costs when a pod starts: the time from its creation until it is ready, with and without sidecar, one after the other so that
// both meet the same machine. The difference of the medians is what a user waits longer.
import assert from 'node:assert/strict'
import { apply, kubectl } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { appContainer } from './harness/workloads.ts'

const TRIES = 7
/** The aim. Not met: each of the two further containers waits for the kubelet to look again, which it does once a second. */
const AIM_MS = 1500
/** A quarter over what was measured on a quiet machine (2,981 ms): a start that gets slower is a defect. */
const MOST_MS = 3750

function pod(name: string, injected: boolean): object {
  // No readiness probe of its own: asked once a second, it would hide what is measured.
  const { readinessProbe: _, lifecycle: __, ...container } = appContainer() as Readonly<Record<string, unknown>>
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name, 'sidecar.istio.io/inject': String(injected) } },
    spec: { containers: [container] },
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

story(
  'start-delay',
  'what an injected pod is ready later than the same pod without is told, and gets no more',
  async ({ namespace }, t) => {
    const startMs = async (name: string, injected: boolean): Promise<number> => {
      const startedAt = performance.now()
      await apply([pod(name, injected)], namespace)
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
    const [plain, injected] = [median(took.plain), median(took.injected)]
    const told = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(' ')
    t.diagnostic(
      `plain ${told(took.plain)} ms; injected ${told(took.injected)} ms; median +${(injected - plain).toFixed(0)} ms, aim ${AIM_MS} ms`,
    )
    assert.ok(
      injected - plain <= MOST_MS,
      `an injected pod starts ${(injected - plain).toFixed(0)} ms later, at most ${MOST_MS} are allowed`,
    )
  },
)
