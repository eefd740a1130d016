// Envoy's RBAC filters as AuthorizationRules. Called for network and HTTP filters and for routes that override them.
// Invariant (fails closed): whatever cannot be read, a field that the proxy does not know included, makes the whole set `invalid`,
// which denies; it is reported, but never rejects the listener: a refused update would leave the previous, wider policy in force.
import { cidrMatcher } from '../../base/cidr.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { AuthorizationPolicy, AuthorizationRules, Condition } from '../decide/authorize.ts'
import { DecodeContext } from './decode-context.ts'
import { decodeCidr, decodeHeaderMatch, decodeStringMatch } from './decode-matchers.ts'

/** The rule sets of one filter: the enforced one, then the shadow. No rules at all enforce nothing, as in Envoy. */
export function decodeRules(
  filter: { readonly rules?: envoy.RBAC | undefined; readonly shadowRules?: envoy.RBAC | undefined },
  at: string,
  context: DecodeContext,
): readonly AuthorizationRules[] {
  const sets: AuthorizationRules[] = []
  context.guard(at)
  // `matcher` and its like are not honoured and so were dropped: then nothing is left that could be enforced.
  const unread = context.droppedBelow(at)
  if (unread !== undefined) return [invalid(`${unread.path}: ${unread.message}`, at, context)]
  if (filter.rules !== undefined) sets.push(decodeRuleSet(filter.rules, `${at}.rules`, false, context))
  if (filter.shadowRules !== undefined) {
    const shadow = decodeRuleSet(filter.shadowRules, `${at}.shadow_rules`, true, context)
    // A shadow only observes: one that cannot be read must not begin to deny.
    if (shadow.kind === 'rules') sets.push(shadow)
  }
  return sets
}

export function invalid(reason: string, at: string, context: DecodeContext): AuthorizationRules {
  context.guard(at)
  context.warnings.push({ path: at, message: `the policy cannot be read, so everything is denied: ${reason}` })
  return { kind: 'invalid', reason }
}

function decodeRuleSet(rules: envoy.RBAC, at: string, shadow: boolean, outer: DecodeContext): AuthorizationRules {
  // Problems of a policy are collected apart, because they deny instead of rejecting the resource.
  const context = new DecodeContext(outer.settings)
  const decoder = new ConditionDecoder(context)
  const policies = Object.entries(rules.policies ?? {})
    // Envoy keeps policies in a sorted map; the first match names the policy in the log.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, policy]) => decoder.policy(name, policy, `${at}.policies["${name}"]`))
  const action = ({ ALLOW: 'allow', DENY: 'deny', LOG: 'log' } as const)[rules.action ?? 'ALLOW']
  const [problem] = context.problems
  if (problem !== undefined) return invalid(`${problem.path}: ${problem.message}`, at, outer)
  if (action === undefined) return invalid(`unknown action ${String(rules.action)}`, at, outer)
  return { kind: 'rules', action, policies, shadow }
}

const NEVER: Condition = { kind: 'any-of', conditions: [] }

class ConditionDecoder {
  readonly #context: DecodeContext

  constructor(context: DecodeContext) {
    this.#context = context
  }

  policy(name: string, policy: envoy.Policy, at: string): AuthorizationPolicy {
    if (policy.condition !== undefined || policy.checkedCondition !== undefined) this.#context.error(at, 'CEL conditions are not supported')
    const permissions = (policy.permissions ?? []).map((each, index) => this.permission(each, `${at}.permissions[${index}]`))
    const principals = (policy.principals ?? []).map((each, index) => this.principal(each, `${at}.principals[${index}]`))
    if (permissions.length === 0 || principals.length === 0) this.#context.error(at, 'a policy needs permissions and principals')
    return { name, permissions, principals }
  }

  permission(rule: envoy.Permission, at: string): Condition {
    if (rule.andRules !== undefined) return { kind: 'all-of', conditions: this.#permissions(rule.andRules, `${at}.and_rules`) }
    if (rule.orRules !== undefined) return { kind: 'any-of', conditions: this.#permissions(rule.orRules, `${at}.or_rules`) }
    if (rule.notRule !== undefined) return { kind: 'not', condition: this.permission(rule.notRule, `${at}.not_rule`) }
    if (rule.any === true) return { kind: 'any' }
    if (rule.header !== undefined) return this.#header(rule.header, `${at}.header`)
    if (rule.urlPath !== undefined) return this.#path(rule.urlPath, `${at}.url_path`)
    if (rule.destinationIp !== undefined) return this.#address('destination', rule.destinationIp, `${at}.destination_ip`)
    if (rule.destinationPort !== undefined) {
      return { kind: 'destination-port', start: rule.destinationPort, end: rule.destinationPort + 1 }
    }
    if (rule.destinationPortRange !== undefined) {
      const { start = 0, end = 0 } = rule.destinationPortRange
      return { kind: 'destination-port', start, end }
    }
    if (rule.requestedServerName !== undefined) {
      const matches = this.#string(rule.requestedServerName, `${at}.requested_server_name`)
      return matches === undefined ? NEVER : { kind: 'server-name', matches }
    }
    return this.#unread(at, 'permission', rule)
  }

  #permissions(set: envoy.Permission_Set, at: string): readonly Condition[] {
    return (set.rules ?? []).map((rule, index) => this.permission(rule, `${at}.rules[${index}]`))
  }

  principal(id: envoy.Principal, at: string): Condition {
    if (id.andIds !== undefined) return { kind: 'all-of', conditions: this.#principals(id.andIds, `${at}.and_ids`) }
    if (id.orIds !== undefined) return { kind: 'any-of', conditions: this.#principals(id.orIds, `${at}.or_ids`) }
    if (id.notId !== undefined) return { kind: 'not', condition: this.principal(id.notId, `${at}.not_id`) }
    if (id.any === true) return { kind: 'any' }
    if (id.authenticated !== undefined) return this.#authenticated(id.authenticated, `${at}.authenticated`)
    if (id.header !== undefined) return this.#header(id.header, `${at}.header`)
    if (id.urlPath !== undefined) return this.#path(id.urlPath, `${at}.url_path`)
    if (id.directRemoteIp !== undefined) return this.#address('direct-remote', id.directRemoteIp, `${at}.direct_remote_ip`)
    if (id.remoteIp !== undefined) return this.#address('remote', id.remoteIp, `${at}.remote_ip`)
    if (id.sourceIp !== undefined) return this.#address('direct-remote', id.sourceIp, `${at}.source_ip`)
    if (id.filterState !== undefined) return this.#filterState(id.filterState, `${at}.filter_state`)
    return this.#unread(at, 'principal', id)
  }

  #principals(set: envoy.Principal_Set, at: string): readonly Condition[] {
    return (set.ids ?? []).map((id, index) => this.principal(id, `${at}.ids[${index}]`))
  }

  #authenticated(id: envoy.Principal_Authenticated, at: string): Condition {
    if (id.principalName === undefined) return { kind: 'authenticated', matches: undefined }
    const matches = this.#string(id.principalName, `${at}.principal_name`)
    return matches === undefined ? NEVER : { kind: 'authenticated', matches }
  }

  /** Newer istiod names the peer by the filter state that its own filter fills from the certificate (io.istio.peer_principal). */
  #filterState(matcher: envoy.FilterStateMatcher, at: string): Condition {
    if (matcher.key !== 'io.istio.peer_principal') return this.#fail(at, `filter state '${matcher.key ?? ''}' is not supported`)
    const matches = this.#string(matcher.stringMatch, `${at}.string_match`)
    return matches === undefined ? NEVER : { kind: 'authenticated', matches }
  }

  #header(matcher: envoy.HeaderMatcher, at: string): Condition {
    const compiled = decodeHeaderMatch(matcher, at, this.#context, this.#context.regex.compileStrict)
    if (compiled === undefined) return NEVER
    const { name, matches, inverted, missingIsEmpty, spec } = compiled
    return { kind: 'header', name, matches, inverted, missingIsEmpty, presence: spec.kind === 'present' }
  }

  #path(matcher: envoy.PathMatcher, at: string): Condition {
    const matches = this.#string(matcher.path, `${at}.path`)
    return matches === undefined ? NEVER : { kind: 'path', matches }
  }

  #address(of: 'destination' | 'direct-remote' | 'remote', range: envoy.CidrRange, at: string): Condition {
    const cidr = decodeCidr(range, at, this.#context)
    return cidr === undefined ? NEVER : { kind: 'address', of, ranges: [cidr], contains: cidrMatcher([cidr]) }
  }

  #string(matcher: envoy.StringMatcher | undefined, at: string): ((subject: string) => boolean) | undefined {
    return decodeStringMatch(matcher, at, this.#context, this.#context.regex.compileStrict)?.matches
  }

  #unread(at: string, what: string, rule: object): Condition {
    const fields = Object.keys(rule)
    return this.#fail(at, fields.length === 0 ? `the ${what} is empty` : `the ${what} '${fields.join(', ')}' is not supported`)
  }

  #fail(at: string, message: string): Condition {
    this.#context.error(at, message)
    return NEVER
  }
}
