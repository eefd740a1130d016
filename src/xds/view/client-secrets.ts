// Which secrets of users a gateway needs to call others: a DestinationRule's credentialName. Called for gateways alone: nobody else is
// given secrets. The answer is part of the gateway's own view, because what is shared among proxies says nothing of secrets.
import { type DestinationPolicy, effectiveBlocks } from '../../model/destination-policy.ts'
import type { ClientSecrets } from './gateway-view.ts'
import type { ScopeView } from './proxy-view.ts'

const ofPolicies = new WeakMap<DestinationPolicy, ClientSecrets>()

export function clientSecretsOf({ services }: ScopeView): ClientSecrets {
  const all = services.flatMap(({ policy }) => (policy === undefined ? [] : [secretsOf(policy)]))
  return { pairs: union(all.flatMap(({ pairs }) => pairs)), authorities: union(all.flatMap(({ authorities }) => authorities)) }
}

function secretsOf(policy: DestinationPolicy): ClientSecrets {
  const known = ofPolicies.get(policy)
  if (known !== undefined) return known
  const blocks = effectiveBlocks(policy).flatMap(({ tls }) => (tls?.secret === undefined ? [] : [{ ...tls, secret: tls.secret }]))
  const found = {
    pairs: union(blocks.flatMap(({ mode, secret }) => (mode === 'mutual' ? [secret] : []))),
    authorities: union(blocks.flatMap(({ acceptsAnyServer, secret }) => (acceptsAnyServer ? [] : [secret]))),
  }
  ofPolicies.set(policy, found)
  return found
}

function union(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
