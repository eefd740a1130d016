// How a host is called: DestinationRules of one namespace, merged. Built by compile/destination-rules.ts, chosen by xds/view (whose rule
// counts depends on who calls), written as Envoy's clusters by xds/generate.
import type { Origin } from './origin.ts'
import { type EffectivePolicy, policyFor, type TrafficPolicy } from './traffic-policy.ts'
import type { Visibility } from './visibility.ts'

export interface DestinationPolicy {
  /** FQDN of a service, or a wildcard. */
  readonly host: string
  /** Whose rule it is. */
  readonly namespace: string
  readonly visibility: Visibility
  /** Clients in its namespace that it is for; undefined: all. */
  readonly clients: Readonly<Record<string, string>> | undefined
  readonly traffic: TrafficPolicy
  readonly subsets: readonly Subset[]
  readonly origin: Origin
}

export interface Subset {
  readonly name: string
  /** An endpoint belongs to it when it carries all of these; none: every endpoint. */
  readonly labels: Readonly<Record<string, string>>
  /** What it says itself; the rest is its rule's. */
  readonly traffic: TrafficPolicy
  readonly field: string
  /** The object that says so: of merged rules not always the policy's. */
  readonly origin: Origin
}

export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}

/** All that can be in force somewhere: of the whole, of its ports, of its subsets and of their ports. */
export function effectiveBlocks({ traffic, subsets }: DestinationPolicy): readonly EffectivePolicy[] {
  const ports = [traffic, ...subsets.map((subset) => subset.traffic)].flatMap((each) => Object.keys(each.ports).map(Number))
  return [undefined, ...subsets].flatMap((subset) => [0, ...new Set(ports)].map((port) => policyFor(traffic, subset?.traffic, port)))
}
