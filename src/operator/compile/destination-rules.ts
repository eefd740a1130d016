// DestinationRules become destination policies: the subsets of a host. After endpoints.
// Invariant: a subset that selects nobody is kept: a route to it answers 503 UH and not 503 NC, which says what is missing.
import { type Finding, finding } from '../../api/finding.ts'
import type { DestinationRule } from '../../api/generated/destination-rule.gen.ts'
import { hasLabels, type Subset } from '../../model/destination-policy.ts'
import { describeOrigin } from '../../model/origin.ts'
import type { CompileInput } from './compile-input.ts'
import { didYouMean, resolveHost } from './hosts.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'

export function destinationRules(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  for (const rule of [...input.state.objects.DestinationRule.values()].sort(byAge)) findings.push(...addRule(rule, draft, input))
  return findings
}

function addRule(rule: DestinationRule, draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const host = resolveHost(rule.spec.host, rule.metadata.namespace, input.settings)
  if (host.startsWith('*')) return [finding('LTN0102', rule, 'spec.host', { field: 'a host with a wildcard' })]
  if (!draft.services.has(host)) {
    const suggestion = didYouMean(rule.spec.host, host, draft.services.keys())
    return [finding('LTN0207', rule, 'spec.host', { host: rule.spec.host, suggestion })]
  }
  const winner = draft.policies.get(host)
  if (winner !== undefined)
    return [finding('LTN0205', rule, 'spec.host', { what: `host '${host}'`, winner: describeOrigin(winner.origin) })]
  const subsets = subsetsOf(rule)
  draft.policies.set(host, { host, subsets, origin: originOf(rule) })
  return subsets
    .filter(({ labels }) => !selectsSomebody(draft, host, labels))
    .map((subset) => finding('LTN0204', rule, subset.field, { subset: subset.name, host: rule.spec.host }))
}

/** The first of a name wins; validation reports the second. */
function subsetsOf(rule: DestinationRule): readonly Subset[] {
  const seen = new Set<string>()
  return (rule.spec.subsets ?? []).flatMap(({ name, labels = {} }, index) => {
    if (seen.has(name)) return []
    seen.add(name)
    return [{ name, labels, field: `spec.subsets[${index}]` }]
  })
}

function selectsSomebody(draft: MeshDraft, host: string, wanted: Readonly<Record<string, string>>): boolean {
  return (draft.endpoints.get(host)?.ports ?? []).some(({ endpoints }) => endpoints.some(({ labels }) => hasLabels(labels, wanted)))
}
