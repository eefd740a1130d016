// DestinationRules become destination policies: those of one namespace for one host are merged, oldest first (Istio's rule). After endpoints.
// Whose policy counts for a client is decided in xds/view.
// Invariant: a subset that selects nobody is kept: a route to it answers 503 UH and not 503 NC, which says what is missing.
import { isDeepStrictEqual } from 'node:util'
import { type Finding, finding } from '../../api/finding.ts'
import type { DestinationRule } from '../../api/generated/destination-rule.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import { type DestinationPolicy, hasLabels, type Subset } from '../../model/destination-policy.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { describeOrigin } from '../../model/origin.ts'
import type { MeshService, ServiceEndpoints } from '../../model/service.ts'
import { NO_TRAFFIC_POLICY } from '../../model/traffic-policy.ts'
import type { Visibility } from '../../model/visibility.ts'
import type { CompileInput } from './compile-input.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { type Note, Remembered, RememberedAnswers } from './remembered.ts'
import { trafficPolicyOf } from './traffic-policy.ts'
import { visibilityOf } from './visibility.ts'

export const destinationRules = definePass({
  kinds: ['DestinationRule'],
  reads: ['services', 'endpoints'],
  create: () => {
    const compiled = new RememberedAnswers(compileRule, noting)
    const merged = new Remembered(mergeRules)
    return ({ objects, draft, settings, capture }) => {
      const compile = compiled.round(surroundingsIn(draft, { settings, capture }))
      const findings: Finding[] = []
      const rules: UsableRule[] = []
      for (const rule of [...objects.DestinationRule.values()].sort(byAge)) {
        const made = compile(keyOf(rule), rule)
        if (made.kind === 'usable') rules.push(made)
        else findings.push(...made.findings)
      }
      const policies = new Map<string, DestinationPolicy>()
      const merge = merged.round()
      for (const [key, ofPolicy] of groupByPolicy(rules)) {
        const made = merge(key, ofPolicy)
        if (made.policy !== undefined) policies.set(key, made.policy)
        findings.push(...made.findings)
      }
      return { policies, subsetNames: subsetNames(rules), findings }
    }
  },
})

/** What compiling one rule may learn of the mesh around it (surroundings.ts says why through this only). */
interface RuleSurroundings {
  readonly settings: MeshSettings
  readonly capture: CompileInput['capture']
  service(hostname: string): MeshService | undefined
  /** Of all services, for suggestions. */
  hostnames(): readonly string[]
  endpoints(hostname: string): ServiceEndpoints | undefined
}

function surroundingsIn(
  draft: Pick<MeshDraft, 'services' | 'endpoints'>,
  common: Pick<RuleSurroundings, 'settings' | 'capture'>,
): RuleSurroundings {
  const hostnames = [...draft.services.keys()]
  return {
    ...common,
    service: (hostname) => draft.services.get(hostname),
    hostnames: () => hostnames,
    endpoints: (hostname) => draft.endpoints.get(hostname),
  }
}

function noting(note: Note<RuleSurroundings>): RuleSurroundings {
  return {
    settings: note(({ settings }) => settings),
    capture: note(({ capture }) => capture),
    service: (hostname) => note((each) => each.service(hostname)),
    hostnames: () => note((each) => each.hostnames()),
    endpoints: (hostname) => note((each) => each.endpoints(hostname)),
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

function compileRule(rule: DestinationRule, around: RuleSurroundings): CompiledRule {
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
function impossible(rule: DestinationRule, { capture }: RuleSurroundings): readonly Finding[] {
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

/** By key of the policy: rules of one namespace for one host are merged, rules for other clients are other policies. */
function groupByPolicy(rules: readonly UsableRule[]): ReadonlyMap<string, readonly UsableRule[]> {
  const groups = new Map<string, UsableRule[]>()
  for (const rule of rules) {
    const { namespace, host, clients } = rule.policy
    for (let index = 0; ; index++) {
      const key = index === 0 ? `${namespace}/${host}` : `${namespace}/${host}#${index}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [rule])
      else if (isDeepStrictEqual(group[0]?.policy.clients, clients)) group.push(rule)
      else continue
      break
    }
  }
  return groups
}

/** Of all rules for a host, whoever sees them. */
function subsetNames(rules: readonly UsableRule[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, Set<string>>()
  for (const { policy } of rules) {
    const known = names.get(policy.host) ?? new Set()
    for (const { name } of policy.subsets) known.add(name)
    names.set(policy.host, known)
  }
  return new Map([...names].map(([host, known]) => [host, [...known]]))
}

function policyOf(rule: DestinationRule, host: string, around: RuleSurroundings): DestinationPolicy {
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
function subsetsOf(rule: DestinationRule, around: RuleSurroundings): readonly Subset[] {
  const seen = new Set<string>()
  return (rule.spec.subsets ?? []).flatMap(({ name, labels = {}, trafficPolicy }, index) => {
    if (seen.has(name)) return []
    seen.add(name)
    return [
      { name, labels, traffic: trafficPolicyOf(trafficPolicy, around.capture), field: `spec.subsets[${index}]`, origin: originOf(rule) },
    ]
  })
}

function emptySubsets(rule: DestinationRule, { host, subsets }: DestinationPolicy, around: RuleSurroundings): readonly Finding[] {
  if (host.startsWith('*')) return []
  const ports = around.endpoints(host)?.ports ?? []
  return subsets
    .filter(({ labels }) => !ports.some(({ endpoints }) => endpoints.some((each) => hasLabels(each.labels, labels))))
    .map((subset) => finding('LTN0204', rule, subset.field, { subset: subset.name, host: rule.spec.host }))
}
