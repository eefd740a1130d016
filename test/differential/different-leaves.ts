// Where two observations differ: one line for each leaf, so that a failure names the header and not the whole exchange.
// Called by differential.test.ts and generated/compare.ts.
import { isDeepStrictEqual } from 'node:util'

export interface Leaf {
  /** Names from the root, joined by dots. */
  readonly at: string
  readonly ours: unknown
  readonly envoys: unknown
}

/** @param at path of the two values in what is compared; '' at the root. */
export function differentLeaves(ours: unknown, envoys: unknown, at = ''): readonly Leaf[] {
  if (isDeepStrictEqual(ours, envoys)) return []
  if (!isTree(ours) || !isTree(envoys)) return [{ at, ours, envoys }]
  const keys = new Set([...Object.keys(ours), ...Object.keys(envoys)])
  return [...keys].flatMap((key) => differentLeaves(ours[key], envoys[key], at === '' ? key : `${at}.${key}`))
}

export function lineOf({ at, ours, envoys }: Leaf): string {
  return `  ${at}: ours ${JSON.stringify(ours)}, Envoy's ${JSON.stringify(envoys)}`
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
