// Whether both proxies did the same, leaf by leaf. Called by generated.ts for every case, also while a case is made smaller.
import { differentLeaves, type Leaf } from '../different-leaves.ts'
import { EXPLAINED } from './explained.ts'
import type { Pair, Side } from './lab.ts'
import type { GeneratedRequest } from './request.ts'
import type { GeneratedTable } from './table.ts'

export interface GeneratedCase {
  readonly table: GeneratedTable
  readonly request: GeneratedRequest
}

/** What differs and is not explained; none: the same. */
export function differencesOf(each: GeneratedCase, pair: Pair): readonly Leaf[] {
  const alike = hasContent(pair.ours) === hasContent(pair.envoy)
  const leaves = differentLeaves(comparable(pair.ours, alike), comparable(pair.envoy, alike))
  return leaves.filter((leaf) => !EXPLAINED.some((explanation) => explanation.covers(leaf, each, pair)))
}

function hasContent({ headers }: Side): boolean {
  return (headers['content-length'] ?? '0') !== '0'
}

/** Where the answer is the proxy's own, its words are its own: the body, its length and type are not compared. */
function comparable(side: Side, comparesType: boolean): unknown {
  const { closed, ...whole } = side
  const rest = { ...whole, headers: withoutEmptyElements(whole.headers), upstream: comparableUpstream(whole.upstream) }
  if (side.upstream !== undefined || side.body === 'said here') return rest
  const { 'content-length': length, 'content-type': type, ...headers } = rest.headers
  // What a route wrote is not the proxy's own.
  const written = type === undefined || type === 'text/plain' || !comparesType ? {} : { 'content-type': type }
  return { ...rest, headers: { ...headers, ...written }, body: '', complete: true }
}

function comparableUpstream(seen: Side['upstream']): unknown {
  return seen === undefined ? undefined : { ...seen, headers: withoutEmptyElements(seen.headers) }
}

/** RFC 9110 5.6.1.2: an empty element of a list is no element. Envoy leaves them out of fields that it knows. */
function withoutEmptyElements(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const compact = (value: string): string =>
    value
      .split(', ')
      .filter((element) => element !== '')
      .join(', ')
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, name === 'date' ? '<date>' : compact(value)]))
}
