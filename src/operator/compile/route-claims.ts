// Which VirtualService a namespace obeys when several claim one host. Called by virtual-services.ts once per host.
// Order of precedence (Istio): private to the namespace, exported to it by name, public; within each the oldest object. The first claim
// wins whole: nothing is merged on sidecars. A claim that no namespace would ever obey is taken out, and its Finding names the winner.
import { precedenceFor } from '../../model/route-precedence.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'

export interface Claim {
  readonly route: TrafficRoute
  /** `spec.hosts[1]` of the object, for its Finding. */
  readonly field: string
}

export interface SettledClaims<C extends Claim> {
  readonly kept: readonly C[]
  readonly lost: readonly LostClaim<C>[]
}

export interface LostClaim<C extends Claim> {
  readonly claim: C
  /** Who is obeyed where this one is seen; of several the first namespace's. */
  readonly winner: C
  /** The winner's object is older; if not, it wins because it is exported to fewer. */
  readonly isOlder: boolean
}

interface Placed<C extends Claim> {
  readonly claim: C
  /** 0: the oldest. */
  readonly index: number
}

/** @param claims of one host, oldest object first. A look at each is enough, however many there are. */
export function settleClaims<C extends Claim>(claims: readonly C[]): SettledClaims<C> {
  const all = claims.map((claim, index) => ({ claim, index }))
  const firstPublic = all.find(({ claim }) => claim.route.visibility === 'public')
  const obeyed = obeyedByNamespace(all)
  const kept: C[] = []
  const lost: LostClaim<C>[] = []
  for (const own of all) {
    const { visibility } = own.claim.route
    // Namespaces that nobody named see public claims only.
    const winners = visibility === 'public' ? [firstPublic] : visibility.map((namespace) => obeyed.get(namespace)?.placed)
    const winner = winners.includes(own) ? undefined : winners[0]
    if (winner === undefined) kept.push(own.claim)
    else lost.push({ claim: own.claim, winner: winner.claim, isOlder: winner.index < own.index })
  }
  return { kept, lost }
}

/** For every namespace that is named: what is exported to it by name goes before everything public. */
function obeyedByNamespace<C extends Claim>(all: readonly Placed<C>[]): ReadonlyMap<string, { placed: Placed<C>; rank: number }> {
  const obeyed = new Map<string, { placed: Placed<C>; rank: number }>()
  for (const placed of all) {
    const { visibility, origin } = placed.claim.route
    if (visibility === 'public') continue
    for (const namespace of visibility) {
      const rank = precedenceFor(visibility, origin.namespace, namespace)
      const best = obeyed.get(namespace)
      if (rank !== undefined && (best === undefined || rank < best.rank)) obeyed.set(namespace, { placed, rank })
    }
  }
  return obeyed
}
