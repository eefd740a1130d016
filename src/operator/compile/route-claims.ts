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
  readonly lost: readonly { readonly claim: C; readonly winner: C }[]
}

/** @param claims of one host, oldest object first. */
export function settleClaims<C extends Claim>(claims: readonly C[]): SettledClaims<C> {
  const kept: C[] = []
  const lost: { claim: C; winner: C }[] = []
  for (const [index, claim] of claims.entries()) {
    const winner = winnerOver(claim, index, claims)
    if (winner === undefined) kept.push(claim)
    else lost.push({ claim, winner })
  }
  return { kept, lost }
}

/** The claim that is obeyed wherever this one is seen, or the first of those; undefined: somebody obeys this one. */
function winnerOver<C extends Claim>(claim: C, index: number, claims: readonly C[]): C | undefined {
  const { visibility } = claim.route
  if (visibility === 'public') {
    // Namespaces that nobody named see public claims only.
    return claims.slice(0, index).find((other) => other.route.visibility === 'public')
  }
  const winners = visibility.map((namespace) => {
    const rank = precedence(claim, namespace)
    return claims.find((other, at) => {
      const theirs = precedence(other, namespace)
      return theirs !== undefined && rank !== undefined && (theirs < rank || (theirs === rank && at < index))
    })
  })
  return winners.every((winner) => winner !== undefined) ? winners[0] : undefined
}

function precedence({ route }: Claim, namespace: string): number | undefined {
  return precedenceFor(route.visibility, route.origin.namespace, namespace)
}
