// How a host is called: its subsets (a DestinationRule). Built by compile/destination-rules.ts, one value per host.
import type { Origin } from './origin.ts'

export interface DestinationPolicy {
  /** FQDN of a service. One owner per host. */
  readonly host: string
  readonly subsets: readonly Subset[]
  readonly origin: Origin
}

export interface Subset {
  readonly name: string
  /** An endpoint belongs to it when it carries all of these; none: every endpoint. */
  readonly labels: Readonly<Record<string, string>>
  readonly field: string
}

export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}
