// Rounds of noise, each from a seed of its own, so that a failure is one number to repeat. In CI a suite runs a fixed number of rounds of
// a fixed seed; `npm run fuzz -- SUITE` runs it from a new seed until it is stopped.
import { type TestContext, test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'

const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1)
const SECONDS = process.env.FUZZ_SECONDS === undefined ? undefined : Number(process.env.FUZZ_SECONDS)

export interface Noise {
  readonly random: Random
  /** 0 to limit - 1. */
  readonly below: (limit: number) => number
  readonly pick: <T>(from: readonly T[]) => T
  readonly chance: (probability: number) => boolean
}

export function noiseOf(seed: number): Noise {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return {
    random,
    below,
    pick(from) {
      const chosen = from[below(from.length)]
      if (chosen === undefined) throw new RangeError('nothing to pick from')
      return chosen
    },
    chance: (probability) => random() < probability,
  }
}

/** Calls `round` with noise until the rounds, or the seconds of an unbounded run, are over. */
export function fuzz(name: string, rounds: number, round: (noise: Noise, t: TestContext) => void | Promise<void>): void {
  test(name, async (t) => {
    const untilMs = SECONDS === undefined ? undefined : performance.now() + SECONDS * 1000
    for (let count = 0; untilMs === undefined ? count < rounds : performance.now() < untilMs; count++) {
      const seed = FIRST_SEED + count
      try {
        await round(noiseOf(seed), t)
      } catch (error) {
        throw new Error(`round ${count} fails; repeat it with FUZZ_SEED=${seed}`, { cause: error })
      }
    }
  })
}

/** The bytes with a few of them changed, left out, doubled or cut off. */
export function mutated(bytes: Buffer, noise: Noise): Buffer {
  let made = Buffer.from(bytes)
  for (let changes = 1 + noise.below(4); changes > 0 && made.length > 0; changes--) {
    const at = noise.below(made.length)
    const length = 1 + noise.below(Math.min(16, made.length - at))
    switch (noise.below(5)) {
      case 0:
        made[at] = noise.below(256)
        break
      case 1:
        made[at] = (made[at] ?? 0) ^ (1 << noise.below(8))
        break
      case 2:
        made = Buffer.concat([made.subarray(0, at), made.subarray(at + length)])
        break
      case 3:
        made = Buffer.concat([made.subarray(0, at + length), made.subarray(at)])
        break
      default:
        made = made.subarray(0, noise.chance(0.2) ? at : made.length)
    }
  }
  return made
}
