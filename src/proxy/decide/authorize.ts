// Envoy's RBAC as data and one pure function: who may do what. Permissions and principals are trees; the answer names the policy.
// Invariant: what cannot be judged is denied. A rule set that did not parse decodes to `invalid`, which denies every request.
import type { Cidr } from '../../base/cidr.ts'

export type AuthorizationRules =
  | {
      readonly kind: 'rules'
      readonly action: 'allow' | 'deny' | 'log'
      readonly policies: readonly AuthorizationPolicy[]
      readonly shadow: boolean
    }
  | { readonly kind: 'invalid'; readonly reason: string }

export interface AuthorizationPolicy {
  readonly name: string
  readonly permissions: readonly Condition[]
  readonly principals: readonly Condition[]
}

/** One tree serves permissions and principals: their leaves differ, their and/or/not do not. */
export type Condition =
  | { readonly kind: 'any' }
  | { readonly kind: 'all-of' | 'any-of'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'not'; readonly condition: Condition }
  | {
      readonly kind: 'header'
      readonly name: string
      readonly matches: (value: string) => boolean
      readonly inverted: boolean
      readonly missingIsEmpty: boolean
      /** The matcher asks only whether the header is there; with `inverted`, whether it is absent. */
      readonly presence?: boolean
    }
  | { readonly kind: 'path'; readonly matches: (path: string) => boolean }
  | { readonly kind: 'destination-port'; readonly start: number; readonly end: number }
  | {
      readonly kind: 'address'
      readonly of: 'destination' | 'direct-remote' | 'remote'
      readonly ranges: readonly Cidr[]
      readonly contains: (address: string) => boolean
    }
  | { readonly kind: 'server-name'; readonly matches: (name: string) => boolean }
  /** The peer's certificate: URI SANs, then DNS SANs, then the subject. `matches` undefined: any authenticated peer. */
  | { readonly kind: 'authenticated'; readonly matches: ((principal: string) => boolean) | undefined }

/** What a policy may ask. HTTP fills all of it; TCP leaves `path` undefined and answers no header. */
export interface AuthorizationFacts {
  /** Normalised, without query and fragment. */
  readonly path: string | undefined
  readonly destinationIp: string
  readonly destinationPort: number
  /** The connection's peer. */
  readonly directRemoteIp: string
  /** The client's address after x-forwarded-for has been judged; the same as directRemoteIp where it was not. */
  readonly remoteIp: string
  readonly serverName: string
  /** Names in the verified certificate of the peer: URI SANs, then DNS SANs, then the subject. Empty: not authenticated. */
  readonly principals: readonly string[]
  /** Lower-case name; ':method', ':authority', ':path' and ':scheme' too. Each line is judged apart; undefined: there is none. */
  testHeader(lowerName: string, test: (value: string) => boolean): boolean | undefined
}

export type AuthorizationDecision =
  | { readonly allowed: true }
  | {
      readonly allowed: false
      /** Of the policy that denied; undefined where it is the absence of an allowing one, or the rules could not be read. */
      readonly policy: string | undefined
      readonly because: 'denied-by-policy' | 'no-policy-allows' | 'policy-invalid'
      /** Which of the rule sets, in the filters' order. */
      readonly rulesIndex: number
    }

const ALLOWED: AuthorizationDecision = { allowed: true }

/** The sets are judged in the listener's order (Istio puts deny before allow); the first that refuses decides. No set: allowed. */
export function authorize(sets: readonly AuthorizationRules[], facts: AuthorizationFacts): AuthorizationDecision {
  for (let index = 0; index < sets.length; index++) {
    const set = sets[index]
    if (set === undefined) continue
    if (set.kind === 'invalid') return { allowed: false, policy: undefined, because: 'policy-invalid', rulesIndex: index }
    // Shadow rules only observe (Istio's dry run); 'log' marks requests and refuses none.
    if (set.shadow || set.action === 'log') continue
    const policy = judge(set.policies, facts)
    if (policy === UNJUDGEABLE) return { allowed: false, policy: undefined, because: 'policy-invalid', rulesIndex: index }
    if (set.action === 'deny' && policy !== undefined) {
      return { allowed: false, policy: policy.name, because: 'denied-by-policy', rulesIndex: index }
    }
    if (set.action === 'allow' && policy === undefined) {
      return { allowed: false, policy: undefined, because: 'no-policy-allows', rulesIndex: index }
    }
  }
  return ALLOWED
}

const UNJUDGEABLE = Symbol('unjudgeable')

/** A matcher throws when it cannot answer (base/regex.ts: a value too long for a pattern); both answers would be a guess. */
function judge(policies: readonly AuthorizationPolicy[], facts: AuthorizationFacts): AuthorizationPolicy | undefined | typeof UNJUDGEABLE {
  try {
    return matchedPolicy(policies, facts)
  } catch {
    return UNJUDGEABLE
  }
}

/** The first policy that matches: any of its permissions and any of its principals. */
export function matchedPolicy(policies: readonly AuthorizationPolicy[], facts: AuthorizationFacts): AuthorizationPolicy | undefined {
  for (const policy of policies) {
    if (anyHolds(policy.permissions, facts) && anyHolds(policy.principals, facts)) return policy
  }
  return undefined
}

function anyHolds(conditions: readonly Condition[], facts: AuthorizationFacts): boolean {
  for (const condition of conditions) {
    if (holds(condition, facts)) return true
  }
  return false
}

export function holds(condition: Condition, facts: AuthorizationFacts): boolean {
  switch (condition.kind) {
    case 'any':
      return true
    case 'any-of':
      return anyHolds(condition.conditions, facts)
    case 'all-of':
      for (const each of condition.conditions) if (!holds(each, facts)) return false
      return true
    case 'not':
      return !holds(condition.condition, facts)
    case 'header':
      return headerHolds(condition, facts.testHeader(condition.name, condition.matches))
    case 'path':
      return facts.path !== undefined && condition.matches(facts.path)
    case 'destination-port':
      return facts.destinationPort >= condition.start && facts.destinationPort < condition.end
    case 'address':
      return condition.contains(addressOf(condition.of, facts))
    case 'server-name':
      return condition.matches(facts.serverName)
    case 'authenticated':
      return principalHolds(condition.matches, facts.principals)
  }
}

function headerHolds(condition: Condition & { readonly kind: 'header' }, passes: boolean | undefined): boolean {
  // Envoy's HeaderMatcher: a missing header matches nothing, not even inverted, unless absence itself is asked for.
  if (passes === undefined && !condition.missingIsEmpty) return condition.presence === true && condition.inverted
  return (passes ?? condition.matches('')) !== condition.inverted
}

function principalHolds(matches: ((principal: string) => boolean) | undefined, principals: readonly string[]): boolean {
  if (matches === undefined) return principals.length > 0
  for (const principal of principals) if (matches(principal)) return true
  return false
}

function addressOf(of: 'destination' | 'direct-remote' | 'remote', facts: AuthorizationFacts): string {
  if (of === 'destination') return facts.destinationIp
  return of === 'remote' ? facts.remoteIp : facts.directRemoteIp
}

/** %RESPONSE_CODE_DETAILS% of a refusal, as Envoy writes it. */
export function authorizationDetails(decision: AuthorizationDecision): string {
  return decision.allowed ? '' : `rbac_access_denied_matched_policy[${decision.policy ?? 'none'}]`
}
