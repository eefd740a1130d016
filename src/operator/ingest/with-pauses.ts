// Runs work that comes in steps without keeping others waiting: after so much of it, everybody else has a turn.
// Called wherever the size of the work is a user's. The measure is the work itself and not time, so that tests own no clock for it.
import { setImmediate } from 'node:timers/promises'

/** Each step says how much it did; after `pauseAfter` of that the loop goes round once. */
export async function withPauses<T>(steps: Iterator<number, T>, pauseAfter: number): Promise<T> {
  let done = 0
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    done += step.value
    if (done < pauseAfter) continue
    done = 0
    await setImmediate()
  }
}

/** The same at once, for callers that nobody waits beside. */
export function withoutPauses<T>(steps: Iterator<number, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
