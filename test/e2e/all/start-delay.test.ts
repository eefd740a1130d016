// The bar: what a user may have to wait longer for an injected pod. A classic sidecar meets it; the default does not: each of its two further
// init containers waits for the kubelet to look again, which it does once a second (docs/decisions/start-of-a-pod.md).
import assert from 'node:assert/strict'
import { CLASSIC, startDelayMs } from '../harness/start-delay.ts'
import { story } from '../harness/story.ts'

const MOST_MS = 1500

story('start-delay', 'an injected pod is ready at most a second and a half later than the same pod without', async ({ namespace }, t) => {
  const delayMs = await startDelayMs(namespace, t)
  assert.ok(delayMs <= MOST_MS, `an injected pod starts ${delayMs.toFixed(0)} ms later, at most ${MOST_MS} are allowed`)
})

story('start-classic', 'a pod that asks for a classic sidecar is ready at most a second and a half later', async ({ namespace }, t) => {
  const delayMs = await startDelayMs(namespace, t, CLASSIC)
  assert.ok(delayMs <= MOST_MS, `a pod with a classic sidecar starts ${delayMs.toFixed(0)} ms later, at most ${MOST_MS} are allowed`)
})
