// A case that differs, made as small as it stays different: parts are left out one at a time, many attempts sharing one start of both
// proxies. Called by generated.ts for the first case of each kind.
// Invariant: what is left out is always optional, so that every attempt is a table that both proxies take.
import { differencesOf, type GeneratedCase } from './compare.ts'
import { openLab } from './lab.ts'
import type { Json, JsonObject } from './table.ts'

/** A start of both proxies takes a second, so it serves this many attempts. */
const ATTEMPTS_PER_START = 60
const ROUNDS = 12

/** @param places where it differs: one of them must stay different, or the case becomes another one */
export async function shrink(each: GeneratedCase, places: ReadonlySet<string>): Promise<GeneratedCase> {
  let smallest = each
  for (let round = 0; round < ROUNDS; round++) {
    const smaller = await smallerOf(smallest, places)
    if (smaller === undefined) return smallest
    smallest = smaller
  }
  return smallest
}

/** One part less, or several at once where they can be spared together. */
async function smallerOf(each: GeneratedCase, places: ReadonlySet<string>): Promise<GeneratedCase | undefined> {
  const attempts = attemptsOf(each).slice(0, ATTEMPTS_PER_START)
  if (attempts.length === 0) return undefined
  const spared = await stillDifferent(
    attempts.map(({ made }) => made),
    places,
  )
  const good = attempts.filter((_, index) => spared[index] === true)
  const first = good[0]
  if (first === undefined) return undefined
  // All that can be spared alone, left out one after the other: what no longer differs together is tried again in the next round.
  const chain: GeneratedCase[] = []
  let made = first.made
  for (const { path } of good.slice(1).reverse()) {
    const next = withoutPath(made, path)
    if (next === undefined) continue
    made = next
    chain.push(made)
  }
  const together = chain.length === 0 ? [] : await stillDifferent(chain, places)
  return chain.findLast((_, index) => together[index] === true) ?? first.made
}

async function stillDifferent(cases: readonly GeneratedCase[], places: ReadonlySet<string>): Promise<readonly boolean[]> {
  const lab = await openLab(cases.map(({ table }) => table))
  try {
    return await Promise.all(
      cases.map(async (each, index) => differencesOf(each, await lab.ask(index, each.request)).some(({ at }) => places.has(at))),
    )
  } finally {
    await lab.stop()
  }
}

type Path = readonly (string | number)[]

interface Attempt {
  readonly path: Path
  readonly made: GeneratedCase
}

function attemptsOf(each: GeneratedCase): readonly Attempt[] {
  return optionalPaths(each as unknown as Json, []).flatMap((path) => {
    const made = withoutPath(each, path)
    return made === undefined ? [] : [{ path, made }]
  })
}

/** Lists whose last entry may not go. */
const NEVER_EMPTY: ReadonlySet<string> = new Set(['virtual_hosts', 'domains', 'clusters'])
/** Fields that their message needs. */
const NEEDED: ReadonlySet<string> = new Set([
  ...[
    'table',
    'routeConfig',
    'validate_clusters',
    'connectionManager',
    'request',
    'virtual_hosts',
    'name',
    'domains',
    'routes',
    'match',
    'route',
    'header',
  ],
  ...['cluster', 'weighted_clusters', 'clusters', 'weight', 'redirect', 'direct_response', 'status', 'key', 'value', 'prefix', 'path'],
  ...[
    'path_separated_prefix',
    'safe_regex',
    'regex',
    'pattern',
    'substitution',
    'string_match',
    'exact',
    'suffix',
    'contains',
    'start',
    'end',
  ],
  ...['range_match', 'present_match', 'inline_string', 'method', 'target', 'version', 'body'],
])

function optionalPaths(value: Json, path: Path): readonly Path[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const keeps = value.length === 1 && NEVER_EMPTY.has(String(path.at(-1)))
    // A pair is a header of the request: whole or not at all.
    const isPair = value.length === 2 && value.every((part) => typeof part === 'string') && path.at(-2) === 'headers'
    if (isPair) return []
    return (value as readonly Json[]).flatMap((part, index) => [
      ...(keeps ? [] : [[...path, index]]),
      ...optionalPaths(part, [...path, index]),
    ])
  }
  return Object.entries(value as JsonObject).flatMap(([key, part]) => [
    ...(NEEDED.has(key) || path[0] === 'request' || part === undefined ? [] : [[...path, key]]),
    ...optionalPaths(part, [...path, key]),
  ])
}

/** Undefined: there is nothing at that place any more. */
function withoutPath(each: GeneratedCase, path: Path): GeneratedCase | undefined {
  return without(each as unknown as Json, path, '') as GeneratedCase | undefined
}

/** @param name under which `value` stands */
function without(value: Json, [key, ...rest]: Path, name: string): Json | undefined {
  if (key === undefined || typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value)) {
    const list = value as readonly Json[]
    const index = Number(key)
    const part = list[index]
    if (part === undefined) return undefined
    if (rest.length === 0) return list.length === 1 && NEVER_EMPTY.has(name) ? undefined : list.filter((_, at) => at !== index)
    const changed = without(part, rest, '')
    return changed === undefined ? undefined : list.map((each, at) => (at === index ? changed : each))
  }
  const object = value as JsonObject
  const part = object[key]
  if (part === undefined) return undefined
  if (rest.length === 0) return Object.fromEntries(Object.entries(object).filter(([each]) => each !== key))
  const changed = without(part, rest, String(key))
  return changed === undefined ? undefined : { ...object, [key]: changed }
}
