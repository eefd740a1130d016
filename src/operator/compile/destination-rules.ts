// DestinationRules become destination policies: those of one namespace for one host are merged, oldest first (Istio's rule). After endpoints.
// Whose policy counts for a client is decided in xds/view.
// Invariant: a subset that selects nobody is kept: a route to it answers 503 UH and not 503 NC, which says what is missing.
import { isDeepStrictEqual } from 'node:util'
import { type Finding, finding } from '../../api/finding.ts'
import type { DestinationRule } from '../../api/generated/destination-rule.gen.ts'
import { type DestinationPolicy, hasLabels, type Subset } from '../../model/destination-policy.ts'
import { describeOrigin } from '../../model/origin.ts'
import { NO_TRAFFIC_POLICY } from '../../model/traffic-policy.ts'
import type { Visibility } from '../../model/visibility.ts'
import type { CompileInput } from './compile-input.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'
import { trafficPolicyOf } from './traffic-policy.ts'
import { visibilityOf } from './visibility.ts'

export function destinationRules(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  return [...input.state.objects.DestinationRule.values()].sort(byAge).flatMap((rule) => addRule(rule, draft, input))
}

function addRule(rule: DestinationRule, draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const host = resolveHost(rule.spec.host, rule.metadata.namespace, input.settings)
  if (!host.startsWith('*') && !draft.services.has(host)) {
    const suggestion = didYouMean(rule.spec.host, host, draft.services.keys())
    return [finding('LTN0207', rule, 'spec.host', { host: rule.spec.host, suggestion })]
  }
  const policy = policyOf(rule, host, input)
  const names = draft.subsetNames.get(host) ?? new Set()
  for (const { name } of policy.subsets) names.add(name)
  draft.subsetNames.set(host, names)
  const unmatched = [...emptySubsets(rule, policy, draft), ...impossible(rule, input)]
  const key = keyFor(policy, draft)
  const winner = draft.policies.get(key)
  if (winner === undefined) {
    draft.policies.set(key, policy)
    return unmatched
  }
  const taken = { what: `host '${host}'`, winner: describeOrigin(winner.origin) }
  if (!covers(policy.visibility, winner.visibility)) return [finding('LTN0205', rule, 'spec.host', taken)]
  const { merged, findings } = merge(winner, policy, rule)
  draft.policies.set(key, merged)
  return [...findings, ...unmatched]
}

/** There is no original destination without a redirect. */
function impossible(rule: DestinationRule, { capture }: CompileInput): readonly Finding[] {
  if (capture === 'redirect') return []
  const policies = [
    ['spec.trafficPolicy', rule.spec.trafficPolicy] as const,
    ...(rule.spec.subsets ?? []).map(({ trafficPolicy }, index) => [`spec.subsets[${index}].trafficPolicy`, trafficPolicy] as const),
  ]
  return policies.flatMap(([at, policy]) =>
    [
      [at, policy] as const,
      ...(policy?.portLevelSettings ?? []).map((each, index) => [`${at}.portLevelSettings[${index}]`, each] as const),
    ].flatMap(([path, blocks]) =>
      blocks?.loadBalancer?.simple === 'PASSTHROUGH'
        ? [finding('LTN0102', rule, `${path}.loadBalancer.simple`, { field: 'PASSTHROUGH without redirection' })]
        : [],
    ),
  )
}

/** Of the policy with which it is to be merged, else the next that is free: rules for other clients are other policies. */
function keyFor({ namespace, host, clients }: DestinationPolicy, draft: MeshDraft): string {
  for (let index = 0; ; index++) {
    const key = index === 0 ? `${namespace}/${host}` : `${namespace}/${host}#${index}`
    const known = draft.policies.get(key)
    if (known === undefined || isDeepStrictEqual(known.clients, clients)) return key
  }
}

function policyOf(rule: DestinationRule, host: string, input: CompileInput): DestinationPolicy {
  const { spec, metadata } = rule
  const clients = spec.workloadSelector?.matchLabels ?? {}
  const origin = originOf(rule)
  return {
    host,
    namespace: metadata.namespace,
    visibility: visibilityOf(spec.exportTo, metadata.namespace, input.settings.defaultExportTo.destinationRule),
    clients: Object.keys(clients).length === 0 ? undefined : clients,
    traffic: trafficPolicyOf(spec.trafficPolicy, input.capture),
    subsets: subsetsOf(rule, input),
    origin,
  }
}

/** Only rules that everybody sees who sees the first one may add to it. */
function covers(wider: Visibility, narrower: Visibility): boolean {
  if (wider === 'public') return true
  return narrower !== 'public' && narrower.every((each) => wider.includes(each))
}

/** Subsets add up; of two trafficPolicies, and of two subsets of one name, the older is in force. */
function merge(
  winner: DestinationPolicy,
  loser: DestinationPolicy,
  rule: DestinationRule,
): { readonly merged: DestinationPolicy; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const saysNothing = isDeepStrictEqual(winner.traffic, NO_TRAFFIC_POLICY)
  if (rule.spec.trafficPolicy !== undefined && !saysNothing) {
    const what = `the trafficPolicy of host '${winner.host}'`
    findings.push(finding('LTN0205', rule, 'spec.trafficPolicy', { what, winner: describeOrigin(winner.origin) }))
  }
  const added = loser.subsets.filter((subset) => {
    const taken = winner.subsets.find(({ name }) => name === subset.name)
    if (taken === undefined) return true
    const what = `the subset '${subset.name}' of host '${winner.host}'`
    findings.push(finding('LTN0205', rule, subset.field, { what, winner: describeOrigin(taken.origin) }))
    return false
  })
  const merged = { ...winner, traffic: saysNothing ? loser.traffic : winner.traffic, subsets: [...winner.subsets, ...added] }
  return { merged, findings }
}

/** The first of a name wins; validation reports the second. */
function subsetsOf(rule: DestinationRule, input: CompileInput): readonly Subset[] {
  const seen = new Set<string>()
  return (rule.spec.subsets ?? []).flatMap(({ name, labels = {}, trafficPolicy }, index) => {
    if (seen.has(name)) return []
    seen.add(name)
    return [
      { name, labels, traffic: trafficPolicyOf(trafficPolicy, input.capture), field: `spec.subsets[${index}]`, origin: originOf(rule) },
    ]
  })
}

function emptySubsets(rule: DestinationRule, { host, subsets }: DestinationPolicy, draft: MeshDraft): readonly Finding[] {
  if (host.startsWith('*')) return []
  return subsets
    .filter(({ labels }) => !selectsSomebody(draft, host, labels))
    .map((subset) => finding('LTN0204', rule, subset.field, { subset: subset.name, host: rule.spec.host }))
}

/** What a route may name, whoever's rule says so: which rule counts depends on the client. */
export function subsetNames(draft: MeshDraft, host: string): readonly string[] {
  const exact = draft.subsetNames.get(host)
  if (exact !== undefined) return [...exact]
  return [...draft.subsetNames].flatMap(([pattern, names]) =>
    pattern.startsWith('*') && host.endsWith(pattern.slice(1)) ? [...names] : [],
  )
}

function selectsSomebody(draft: MeshDraft, host: string, wanted: Readonly<Record<string, string>>): boolean {
  return (draft.endpoints.get(host)?.ports ?? []).some(({ endpoints }) => endpoints.some(({ labels }) => hasLabels(labels, wanted)))
}
