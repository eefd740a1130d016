// That the start of an injected pod gets no slower than it is. What it should be is all/start-delay.test.ts.
import assert from 'node:assert/strict'
import { startDelayMs } from './harness/start-delay.ts'
import { story } from './harness/story.ts'

/** A quarter over what was measured on a nearly quiet machine: 2,096 ms. */
const MOST_MS = 2620

story('start-guard', 'an injected pod starts no later than it did', async ({ namespace }, t) => {
  const delayMs = await startDelayMs(namespace, t)
  assert.ok(delayMs <= MOST_MS, `an injected pod starts ${delayMs.toFixed(0)} ms later, at most ${MOST_MS} are allowed`)
})
