// Whether both proxies did the same, leaf by leaf. Called by generated.ts for every case, also while a case is made smaller.
import { differentLeaves } from '../different-leaves.ts'
import { EXPLAINED } from './explained.ts'
import type { Pair, Side } from './lab.ts'
import type { GeneratedRequest } from './request.ts'
import type { GeneratedTable } from './table.ts'

export interface GeneratedCase {
  readonly table: GeneratedTable
  readonly request: GeneratedRequest
}

/** Lines of what differs and is not explained; none: the same. */
export function differencesOf(each: GeneratedCase, pair: Pair): readonly string[] {
  const leaves = differentLeaves(comparable(pair.ours), comparable(pair.envoy), '')
  return leaves.filter((line) => !EXPLAINED.some((explanation) => explanation.covers(line, each, pair)))
}

/** Where the answer is the proxy's own, its words are its own: the body, its length and type are not compared. */
function comparable(side: Side): unknown {
  const { closed, ...rest } = side
  if (side.upstream !== undefined || side.body === 'said here') return rest
  const { 'content-length': length, 'content-type': type, ...headers } = side.headers
  return { ...rest, headers, body: '', complete: true }
}
