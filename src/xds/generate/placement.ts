// Which endpoints a client calls first: groups of one locality get a weight and a priority by where the client is. Called by endpoints.ts.
// Semantics are Istio's: shares replace weights and leave out what they do not name; else the nearest groups come first, in levels that
// leave no gap (Envoy wants priorities from 0 on).
import type { LocalityPreference, LocalityShares, RegionFailover } from '../../model/load-balancing.ts'
import { type Endpoint, type Locality, topologyLabels } from '../../model/service.ts'
import type { ClientPlace } from '../view/client-place.ts'

export interface LocalityGroup {
  readonly locality: Locality
  readonly endpoints: readonly Endpoint[]
  readonly weight: number
  readonly priority: number
}

/** @param preference undefined: nothing asks where the client is. */
export function placed(
  groups: readonly LocalityGroup[],
  preference: LocalityPreference | undefined,
  place: ClientPlace | undefined,
  cluster: string,
): readonly LocalityGroup[] {
  if (preference === undefined || place === undefined) return groups
  const { distribute, failover, failoverPriority, kind } = preference
  if (distribute.length > 0) return shared(groups, distribute, place.locality)
  const byLabels =
    failoverPriority.length === 0 ? groups : groups.flatMap((group) => splitByLabels(group, failoverPriority, place, cluster))
  // Labels alone, unless regions are named too.
  if (failoverPriority.length > 0 && failover.length === 0) return withoutGaps(byLabels)
  const distance = kind === 'zones' ? regionDistance : nearness
  return withoutGaps(
    byLabels.map((group) => ({
      ...group,
      priority: group.priority * LEVELS + failoverDistance(group.locality, place.locality, failover, distance),
    })),
  )
}

const LEVELS = 5

/** The first rule whose `from` fits; a locality belongs to the first `to` that names it. */
function shared(groups: readonly LocalityGroup[], rules: readonly LocalityShares[], client: Locality): readonly LocalityGroup[] {
  const rule = rules.find(({ from }) => isIn(client, from))
  if (rule === undefined) return groups
  const targets = Object.entries(rule.to).map(([to, share]) => ({ to, share }))
  const named = groups.map((group) => ({ group, target: targets.find(({ to }) => isIn(group.locality, to)) }))
  return named.flatMap(({ group, target }) => {
    if (target === undefined) return []
    const total = named.reduce((sum, each) => (each.target === target ? sum + each.group.weight : sum), 0)
    return [{ ...group, weight: Math.max(1, Math.ceil((group.weight * target.share) / total)) }]
  })
}

/** A star or nothing stands for any. */
function isIn({ region, zone, subzone }: Locality, pattern: string): boolean {
  const [ofRegion = '', ofZone = '', ofSubzone = ''] = pattern.split('/')
  return (
    (ofRegion === '*' || ofRegion === region) &&
    (ofZone === '*' || ofZone === '' || ofZone === zone) &&
    (ofSubzone === '*' || ofSubzone === '' || ofSubzone === subzone)
  )
}

function nearness(a: Locality, b: Locality): number {
  if (a.region !== b.region) return ELSEWHERE
  if (a.zone !== b.zone) return 2
  return a.subzone === b.subzone ? 0 : 1
}

function regionDistance(a: Locality, b: Locality): number {
  return a.region === b.region ? 0 : ELSEWHERE
}

const ELSEWHERE = 3

/** Another region than the one that is to take over comes last. */
function failoverDistance(
  locality: Locality,
  client: Locality,
  failover: readonly RegionFailover[],
  distance: (a: Locality, b: Locality) => number,
): number {
  const found = distance(client, locality)
  const rule = found === ELSEWHERE ? failover.find(({ from }) => from === client.region) : undefined
  return rule === undefined || rule.to === locality.region ? found : ELSEWHERE + 1
}

/** An endpoint that differs from the client in the first label comes last, one that differs in none first. */
function splitByLabels(
  group: LocalityGroup,
  failoverPriority: readonly string[],
  place: ClientPlace,
  cluster: string,
): readonly LocalityGroup[] {
  const wanted = failoverPriority.map((label) => {
    const [name = '', ...value] = label.split('=')
    return { name, value: value.length > 0 ? value.join('=') : place.labels[name] }
  })
  const levels = Map.groupBy(group.endpoints, ({ labels, locality }) => {
    const own: Readonly<Record<string, string>> = { ...labels, ...topologyLabels(locality, cluster) }
    const differs = wanted.findIndex(({ name, value }) => (own[name] ?? '') !== (value ?? ''))
    return differs === -1 ? 0 : wanted.length - differs
  })
  return [...levels]
    .sort(([a], [b]) => a - b)
    .map(([priority, endpoints]) => ({ ...group, endpoints, priority, weight: endpoints.reduce((sum, { weight }) => sum + weight, 0) }))
}

function withoutGaps(groups: readonly LocalityGroup[]): readonly LocalityGroup[] {
  const levels = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b)
  return groups.map((group) => ({ ...group, priority: levels.indexOf(group.priority) }))
}
