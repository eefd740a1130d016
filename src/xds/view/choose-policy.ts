// Which DestinationRule counts for a client and a service: the client's namespace's, else the service's, else the root namespace's; in
// each the exact host before the longest wildcard, and the first namespace that has one ends the search (Istio's order).
// Called by scope-view.ts for every service of a scope, so the policies are indexed once per snapshot.
import { type DestinationPolicy, hasLabels } from '../../model/destination-policy.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { MeshService } from '../../model/service.ts'
import { isVisibleTo } from '../../model/visibility.ts'
import type { Client } from './client.ts'

interface OfNamespace {
  /** By host: those for some clients first. */
  readonly exact: ReadonlyMap<string, readonly DestinationPolicy[]>
  /** The longest first, then those for some clients. */
  readonly wildcards: readonly DestinationPolicy[]
}

const selecting = new WeakMap<object, readonly (readonly [key: string, policy: DestinationPolicy])[]>()
const indices = new WeakMap<object, ReadonlyMap<string, OfNamespace>>()

export function choosePolicy({ policies, settings }: MeshSnapshot, client: Client, service: MeshService): DestinationPolicy | undefined {
  if (policies.size === 0) return undefined
  const index = indexOf(policies)
  const { rootNamespace } = settings
  const find = (namespace: string, counts: (policy: DestinationPolicy) => boolean): DestinationPolicy | undefined => {
    const of = index.get(namespace)
    if (of === undefined) return undefined
    const isFor = (policy: DestinationPolicy): boolean => counts(policy) && selects(policy, client)
    return (
      of.exact.get(service.hostname)?.find(isFor) ??
      of.wildcards.find((policy) => service.hostname.endsWith(policy.host.slice(1)) && isFor(policy))
    )
  }
  const isVisible = ({ visibility }: DestinationPolicy): boolean => isVisibleTo(visibility, client.namespace)
  // Public rules of the root namespace are defaults, also for clients in it: they come last.
  const isPrivate = ({ visibility, namespace }: DestinationPolicy): boolean =>
    visibility !== 'public' && visibility.every((each) => each === namespace)
  return (
    find(client.namespace, client.namespace === rootNamespace ? isPrivate : () => true) ??
    find(service.namespace, isVisible) ??
    find(rootNamespace, isVisible)
  )
}

/** Rules for some clients only are for clients in their own namespace. */
function selects({ clients, namespace }: DestinationPolicy, client: Client): boolean {
  return clients === undefined || (namespace === client.namespace && hasLabels(client.labels, clients))
}

/** Which of the rules for some clients are for this one: part of the name of its scope. */
export function selectingPolicies({ policies }: MeshSnapshot, client: Client): string {
  const known = selecting.get(policies) ?? [...policies].filter(([, { clients }]) => clients !== undefined)
  selecting.set(policies, known)
  return known.flatMap(([key, policy]) => (selects(policy, client) ? [key] : [])).join(' ')
}

function indexOf(policies: MeshSnapshot['policies']): ReadonlyMap<string, OfNamespace> {
  const known = indices.get(policies)
  if (known !== undefined) return known
  const made = new Map(
    [...Map.groupBy(policies.values(), ({ namespace }) => namespace)].map(([namespace, all]) => {
      const selectingFirst = [...all.filter(({ clients }) => clients !== undefined), ...all.filter(({ clients }) => clients === undefined)]
      return [
        namespace,
        {
          exact: Map.groupBy(selectingFirst, ({ host }) => host),
          wildcards: selectingFirst.filter(({ host }) => host.startsWith('*')).sort((a, b) => b.host.length - a.host.length),
        },
      ] as const
    }),
  )
  indices.set(policies, made)
  return made
}
