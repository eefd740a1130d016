// Differences that stay, each as narrow as it can be said; docs/differences.md gives the reason for each.
// Invariant: a difference that no entry covers fails the suite.
import type { GeneratedCase } from './compare.ts'
import type { Pair } from './lab.ts'

export interface Explanation {
  /** The line of docs/differences.md. */
  readonly what: string
  /** @param line one leaf, as different-leaves.ts writes it: `path: ours X, Envoy's Y` */
  readonly covers: (line: string, each: GeneratedCase, pair: Pair) => boolean
}

export const EXPLAINED: readonly Explanation[] = []
