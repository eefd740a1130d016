// DestinationRules become destination policies: those of one namespace for one host are merged, oldest first (Istio's rule). After endpoints.
// Whose policy counts for a client is decided in xds/view.
// Invariant: a subset that selects nobody is kept: a route to it answers 503 UH and not 503 NC, which says what is missing.
import { isDeepStrictEqual } from 'node:util'
import { type Finding, finding } from '../../api/finding.ts'
import type { DestinationRule } from '../../api/generated/destination-rule.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import { type DestinationPolicy, hasLabels, type Subset } from '../../model/destination-policy.ts'
import { describeOrigin } from '../../model/origin.ts'
import { NO_TRAFFIC_POLICY } from '../../model/traffic-policy.ts'
import type { Visibility } from '../../model/visibility.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import { byAge, originOf, type Pass } from './mesh-draft.ts'
import { Remembered, RememberedAnswers } from './remembered.ts'
import { noting, type Surroundings, surroundingsIn } from './surroundings.ts'
import { trafficPolicyOf } from './traffic-policy.ts'
import { visibilityOf } from './visibility.ts'

export function destinationRules(): Pass {
  const compiled = new RememberedAnswers(compileRule, noting)
  const merged = new Remembered(mergeRules)
  return (draft, input) => {
    const compile = compiled.round(surroundingsIn(draft, input))
    const merge = merged.round()
    const findings: Finding[] = []
    const groups = new Map<string, UsableRule[]>()
    for (const rule of [...input.state.objects.DestinationRule.values()].sort(byAge)) {
      const made = compile(keyOf(rule), rule)
      if (made.kind === 'useless') {
        findings.push(...made.findings)
        continue
      }
      const { host, subsets } = made.policy
      const names = draft.subsetNames.get(host) ?? new Set()
      for (const { name } of subsets) names.add(name)
      draft.subsetNames.set(host, names)
      const key = keyFor(made.policy, groups)
      groups.set(key, [...(groups.get(key) ?? []), made])
    }
    for (const [key, rules] of groups) {
      const made = merge(key, rules)
      if (made.policy !== undefined) draft.policies.set(key, made.policy)
      findings.push(...made.findings)
    }
    return findings
  }
}

type CompiledRule = UsableRule | { readonly kind: 'useless'; readonly findings: readonly Finding[] }

interface UsableRule {
  readonly kind: 'usable'
  readonly rule: DestinationRule
  readonly policy: DestinationPolicy
  /** About what it says, if it comes into force. */
  readonly findings: readonly Finding[]
}

function compileRule(rule: DestinationRule, around: Surroundings): CompiledRule {
  const host = resolveHost(rule.spec.host, rule.metadata.namespace, around.settings)
  if (!host.startsWith('*') && around.service(host) === undefined) {
    const suggestion = didYouMean(rule.spec.host, host, around.hostnames())
    return { kind: 'useless', findings: [finding('LTN0207', rule, 'spec.host', { host: rule.spec.host, suggestion })] }
  }
  const policy = policyOf(rule, host, around)
  return { kind: 'usable', rule, policy, findings: [...emptySubsets(rule, policy, around), ...impossible(rule, around)] }
}

/** @param rules of one namespace for one host and the same clients, oldest first. */
function mergeRules(rules: readonly UsableRule[]): MergedRules {
  const findings: Finding[] = []
  let winner: DestinationPolicy | undefined
  for (const { rule, policy, findings: own } of rules) {
    if (winner === undefined) {
      winner = policy
    } else if (!covers(policy.visibility, winner.visibility)) {
      findings.push(finding('LTN0205', rule, 'spec.host', { what: `host '${winner.host}'`, winner: describeOrigin(winner.origin) }))
      continue
    } else {
      const { merged, findings: taken } = merge(winner, policy, rule)
      winner = merged
      findings.push(...taken)
    }
    findings.push(...own)
  }
  return { policy: winner, findings }
}

interface MergedRules {
  readonly policy: DestinationPolicy | undefined
  readonly findings: readonly Finding[]
}

/** There is no original destination without a redirect. */
function impossible(rule: DestinationRule, { capture }: Surroundings): readonly Finding[] {
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

/** Of the rules with which it is to be merged, else the next that is free: rules for other clients are other policies. */
function keyFor({ namespace, host, clients }: DestinationPolicy, groups: ReadonlyMap<string, readonly UsableRule[]>): string {
  for (let index = 0; ; index++) {
    const key = index === 0 ? `${namespace}/${host}` : `${namespace}/${host}#${index}`
    const [first] = groups.get(key) ?? []
    if (first === undefined || isDeepStrictEqual(first.policy.clients, clients)) return key
  }
}

function policyOf(rule: DestinationRule, host: string, around: Surroundings): DestinationPolicy {
  const { spec, metadata } = rule
  const clients = spec.workloadSelector?.matchLabels ?? {}
  const origin = originOf(rule)
  return {
    host,
    namespace: metadata.namespace,
    visibility: visibilityOf(spec.exportTo, metadata.namespace, around.settings.defaultExportTo.destinationRule),
    clients: Object.keys(clients).length === 0 ? undefined : clients,
    traffic: trafficPolicyOf(spec.trafficPolicy, around.capture),
    subsets: subsetsOf(rule, around),
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
function subsetsOf(rule: DestinationRule, around: Surroundings): readonly Subset[] {
  const seen = new Set<string>()
  return (rule.spec.subsets ?? []).flatMap(({ name, labels = {}, trafficPolicy }, index) => {
    if (seen.has(name)) return []
    seen.add(name)
    return [
      { name, labels, traffic: trafficPolicyOf(trafficPolicy, around.capture), field: `spec.subsets[${index}]`, origin: originOf(rule) },
    ]
  })
}

function emptySubsets(rule: DestinationRule, { host, subsets }: DestinationPolicy, around: Surroundings): readonly Finding[] {
  if (host.startsWith('*')) return []
  const ports = around.endpoints(host)?.ports ?? []
  return subsets
    .filter(({ labels }) => !ports.some(({ endpoints }) => endpoints.some((each) => hasLabels(each.labels, labels))))
    .map((subset) => finding('LTN0204', rule, subset.field, { subset: subset.name, host: rule.spec.host }))
}
