// Which of several claims to one host a namespace obeys (Istio): private to it, then exported to it by name, then public. Asked by
// compile/route-claims.ts and xds/view, which must agree.
import type { Visibility } from './visibility.ts'

/** The smaller wins; undefined: the namespace does not see it. */
export function precedenceFor(visibility: Visibility, owner: string, namespace: string): number | undefined {
  if (visibility === 'public') return 2
  if (!visibility.includes(namespace)) return undefined
  return visibility.length === 1 && owner === namespace ? 0 : 1
}

/** @param claims oldest first. */
export function obeyedBy<T extends { readonly visibility: Visibility; readonly origin: { readonly namespace: string } }>(
  namespace: string,
  claims: readonly T[],
): T | undefined {
  let best: T | undefined
  let bestRank = Number.POSITIVE_INFINITY
  for (const claim of claims) {
    const rank = precedenceFor(claim.visibility, claim.origin.namespace, namespace)
    if (rank === undefined || rank >= bestRank) continue
    best = claim
    bestRank = rank
  }
  return best
}
