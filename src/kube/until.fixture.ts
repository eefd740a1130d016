// Waits for a condition of this process without sleeping: looks again after every turn of the loop. For tests.
import { setImmediate } from 'node:timers/promises'

const PATIENCE_MS = 15_000

/** @param what for the error when it does not come true. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = process.hrtime.bigint() + BigInt(PATIENCE_MS) * 1_000_000n
  while (!condition()) {
    if (process.hrtime.bigint() > deadline) throw new Error(`${what}: it did not come true`)
    await setImmediate()
  }
}
