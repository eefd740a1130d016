// Where a client is, as far as a DestinationRule asks for it: endpoints are placed by it (nearer ones first, shares by locality). Made per
// client by scope-view.ts.
// Invariant: where no rule asks, there is no place, so that all clients of a scope share everything wherever they run.
import { type DestinationPolicy, effectiveBlocks } from '../../model/destination-policy.ts'
import { placementOf } from '../../model/load-balancing.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { type Locality, topologyLabels } from '../../model/service.ts'
import type { Client } from './client.ts'

export interface ClientPlace {
  /** Equal places have equal keys. */
  readonly key: string
  readonly locality: Locality
  /** Those that rules compare with the endpoints'. */
  readonly labels: Readonly<Record<string, string>>
}

export function placeFor({ policies, settings }: MeshSnapshot, client: Pick<Client, 'labels' | 'locality'>): ClientPlace | undefined {
  const asked = questions.get(policies) ?? questionsOf(policies)
  questions.set(policies, asked)
  if (!asked.anyone) return undefined
  const { locality } = client
  const own: Readonly<Record<string, string>> = { ...client.labels, ...topologyLabels(locality, settings.cluster) }
  const labels = Object.fromEntries(asked.labels.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])))
  // Asked for every client of every snapshot: not worth a hash.
  return { key: JSON.stringify([locality.region, locality.zone, locality.subzone, labels]), locality, labels }
}

interface Questions {
  readonly anyone: boolean
  readonly labels: readonly string[]
}

const questions = new WeakMap<MeshSnapshot['policies'], Questions>()

function questionsOf(policies: MeshSnapshot['policies']): Questions {
  const placements = [...policies.values()].flatMap((policy) => effectiveBlocks(policy).flatMap((each) => placementOf(each) ?? []))
  const labels = placements.flatMap(({ failoverPriority }) => failoverPriority.map((label) => label.split('=')[0] ?? ''))
  return { anyone: placements.length > 0, labels: [...new Set(labels)].sort() }
}

const asking = new WeakMap<DestinationPolicy, boolean>()

/** Whether endpoints under this policy depend on where the client is. */
export function asksForPlace(policy: DestinationPolicy | undefined): boolean {
  if (policy === undefined) return false
  const asks = asking.get(policy) ?? effectiveBlocks(policy).some((each) => placementOf(each) !== undefined)
  asking.set(policy, asks)
  return asks
}
