// Which endpoint of a cluster gets the next attempt. `planHosts` runs when endpoints or their health change, `pickHost` per attempt.
// Envoy's rules: priorities by healthy share with an over-provisioning factor of 1.4, panic below 50 % healthy, weights.
// Invariant: an endpoint of weight 0 or outside the plan is never picked; the only state is the BalancerState that the caller keeps.
import type { Random } from '../../base/random.ts'

/** What an Endpoint of the config has. */
export interface BalancedHost {
  readonly weight: number
  readonly priority: number
  readonly health: 'healthy' | 'unhealthy' | 'draining'
}

export interface HostPlan {
  /** Levels that get traffic, in order of priority. Empty: no healthy upstream (UH). */
  readonly levels: readonly HostLevel[]
  readonly totalShare: number
}

export interface HostLevel {
  readonly priority: number
  /** Of the plan's `totalShare`. */
  readonly share: number
  /** Too few are healthy: all are used, so that the few are not crushed (Envoy: healthy_panic_threshold). */
  readonly panic: boolean
  /** Indices into the cluster's endpoints. */
  readonly hosts: readonly number[]
  readonly weights: readonly number[]
  readonly totalWeight: number
  readonly equalWeights: boolean
}

const OVER_PROVISIONING = 1.4
export const DEFAULT_PANIC_THRESHOLD_PERCENT = 50

export function planHosts(hosts: readonly BalancedHost[], panicThresholdPercent = DEFAULT_PANIC_THRESHOLD_PERCENT): HostPlan {
  const byPriority = new Map<number, number[]>()
  hosts.forEach((host, index) => {
    const level = byPriority.get(host.priority)
    if (level === undefined) byPriority.set(host.priority, [index])
    else level.push(index)
  })
  const priorities = [...byPriority.entries()].sort(([a], [b]) => a - b)
  const healthyOf = (members: readonly number[]) => members.filter((index) => hosts[index]?.health === 'healthy')
  const availability = priorities.map(([, members]) =>
    Math.min(100, (healthyOf(members).length / members.length) * 100 * OVER_PROVISIONING),
  )
  const totalAvailability = Math.min(
    100,
    availability.reduce((sum, each) => sum + each, 0),
  )
  const levels: HostLevel[] = []
  let left = 100
  for (const [at, [priority, members]] of priorities.entries()) {
    // Nothing is available anywhere: the first level gets all, and only panic can give it hosts.
    const wanted = totalAvailability === 0 ? (at === 0 ? 100 : 0) : ((availability[at] ?? 0) * 100) / totalAvailability
    const share = Math.min(left, wanted)
    left -= share
    const healthy = healthyOf(members)
    // A level is in panic only when all levels together cannot carry the traffic (Envoy: recalculatePerPriorityPanic).
    const panic = totalAvailability < 100 && (healthy.length / members.length) * 100 < panicThresholdPercent
    if (share > 0) levels.push(hostLevel(priority, share, panic, panic ? members : healthy, hosts))
  }
  const filled = levels.filter((level) => level.totalWeight > 0)
  return { levels: filled, totalShare: filled.reduce((sum, level) => sum + level.share, 0) }
}

function hostLevel(priority: number, share: number, panic: boolean, members: readonly number[], all: readonly BalancedHost[]): HostLevel {
  const hosts = members.filter((index) => (all[index]?.weight ?? 0) > 0)
  const weights = hosts.map((index) => all[index]?.weight ?? 0)
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0)
  return { priority, share, panic, hosts, weights, totalWeight, equalWeights: weights.every((weight) => weight === weights[0]) }
}

export type BalancerKind = 'round-robin' | 'least-request' | 'random'

/** Where round robin stands; one per cluster, kept by the caller. A new plan gets a new state (`createBalancerState`). */
export interface BalancerState {
  readonly levels: Map<HostLevel, { cursor: number; readonly current: Float64Array }>
}

export function createBalancerState(): BalancerState {
  return { levels: new Map() }
}

/** What a pick may ask; one object per cluster is enough, nothing of it is kept. */
export interface PickInputs {
  readonly random: Random
  /** Requests in flight to the endpoint with this index. */
  active(index: number): number
  /** Envoy: least_request_lb_config.choice_count. */
  readonly choiceCount: number
}

export const NO_HOST = -1

/** The endpoint's index, or NO_HOST. `excluded` are hosts tried before: avoided while another one is left (Envoy: previous_hosts). */
export function pickHost(
  plan: HostPlan,
  kind: BalancerKind,
  state: BalancerState,
  inputs: PickInputs,
  excluded?: (index: number) => boolean,
  attempts = 5,
): number {
  const level = pickLevel(plan, inputs.random)
  if (level === undefined) return NO_HOST
  const host = pickInLevel(level, kind, state, inputs)
  if (excluded === undefined || !excluded(host)) return host
  for (let attempt = 0; attempt < attempts; attempt++) {
    const other = pickInLevel(level, kind, state, inputs)
    if (!excluded(other)) return other
  }
  // Chance has been unkind: any host not tried is better than one that just failed; with none left, the first pick stands.
  return firstNotExcluded(plan, excluded) ?? host
}

function firstNotExcluded(plan: HostPlan, excluded: (index: number) => boolean): number | undefined {
  for (const level of plan.levels) {
    for (const host of level.hosts) if (!excluded(host)) return host
  }
  return undefined
}

function pickLevel(plan: HostPlan, random: Random): HostLevel | undefined {
  const { levels } = plan
  if (levels.length <= 1) return levels[0]
  let left = random() * plan.totalShare
  for (const level of levels) {
    left -= level.share
    if (left < 0) return level
  }
  return levels[levels.length - 1]
}

function pickInLevel(level: HostLevel, kind: BalancerKind, state: BalancerState, inputs: PickInputs): number {
  if (level.hosts.length === 1) return level.hosts[0] ?? NO_HOST
  if (kind === 'round-robin') return pickInTurn(level, state)
  if (kind === 'random') return level.equalWeights ? uniform(level, inputs.random) : byWeight(level, inputs.random)
  return level.equalWeights ? leastOfSome(level, inputs) : leastByWeight(level, inputs)
}

/** Smooth weighted round robin: 5:1:1 gives a a b a c a a, never a burst of five. Equal weights need only a cursor. */
function pickInTurn(level: HostLevel, state: BalancerState): number {
  let turn = state.levels.get(level)
  if (turn === undefined) {
    turn = { cursor: 0, current: new Float64Array(level.hosts.length) }
    state.levels.set(level, turn)
  }
  if (level.equalWeights) {
    const host = level.hosts[turn.cursor] ?? NO_HOST
    turn.cursor = turn.cursor + 1 >= level.hosts.length ? 0 : turn.cursor + 1
    return host
  }
  const { current } = turn
  let best = 0
  for (let at = 0; at < current.length; at++) {
    current[at] = (current[at] ?? 0) + (level.weights[at] ?? 0)
    if ((current[at] ?? 0) > (current[best] ?? 0)) best = at
  }
  current[best] = (current[best] ?? 0) - level.totalWeight
  return level.hosts[best] ?? NO_HOST
}

function uniform(level: HostLevel, random: Random): number {
  return level.hosts[Math.floor(random() * level.hosts.length)] ?? NO_HOST
}

function byWeight(level: HostLevel, random: Random): number {
  let left = random() * level.totalWeight
  for (let at = 0; at < level.hosts.length; at++) {
    left -= level.weights[at] ?? 0
    if (left < 0) return level.hosts[at] ?? NO_HOST
  }
  return level.hosts[level.hosts.length - 1] ?? NO_HOST
}

/** Power of N choices: the least busy of `choiceCount` hosts drawn with repetition (Envoy: unweightedHostPickNChoices). */
function leastOfSome(level: HostLevel, inputs: PickInputs): number {
  let best = uniform(level, inputs.random)
  let bestActive = inputs.active(best)
  for (let choice = 1; choice < inputs.choiceCount; choice++) {
    const other = uniform(level, inputs.random)
    const active = inputs.active(other)
    if (active >= bestActive) continue
    best = other
    bestActive = active
  }
  return best
}

/** Unequal weights: chance in proportion to weight / (active + 1), the long-run shares of Envoy's weighted schedule with bias 1. */
function leastByWeight(level: HostLevel, inputs: PickInputs): number {
  let total = 0
  for (let at = 0; at < level.hosts.length; at++) total += (level.weights[at] ?? 0) / (inputs.active(level.hosts[at] ?? 0) + 1)
  let left = inputs.random() * total
  for (let at = 0; at < level.hosts.length; at++) {
    left -= (level.weights[at] ?? 0) / (inputs.active(level.hosts[at] ?? 0) + 1)
    if (left < 0) return level.hosts[at] ?? NO_HOST
  }
  return level.hosts[level.hosts.length - 1] ?? NO_HOST
}
