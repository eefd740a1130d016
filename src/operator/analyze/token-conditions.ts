// Conditions on a token's contents need a RequestAuthentication that checks tokens at the same workloads. Without one no request ever has
// a principal: what allows by it allows nobody, and what denies without it denies everybody.
import { type Finding, finding } from '../../api/finding.ts'
import type { AuthorizationPolicy } from '../../api/generated/authorization-policy.gen.ts'
import type { Gateway } from '../../api/generated/gateway.gen.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { gatewayKey } from './gateway-references.ts'
import { type Labels, type MeshFacts, reachOf, selectorOf } from './mesh-facts.ts'

export function tokenConditions(facts: MeshFacts): readonly Finding[] {
  const checked = checkedWorkloads(facts)
  return [...policies(facts, checked), ...routes(facts, checked)]
}

interface Checked {
  /** Of every namespace: a RequestAuthentication of the root namespace without a selector. */
  readonly everywhere: boolean
  readonly namespaces: ReadonlySet<string>
  readonly workloads: ReadonlySet<string>
  /** Selectors as written, for gateways whose workloads are not among the objects. */
  readonly selectors: readonly Labels[]
}

function checkedWorkloads(facts: MeshFacts): Checked {
  const all = [...facts.state.objects.RequestAuthentication.values()].filter(({ spec }) => (spec.jwtRules ?? []).length > 0)
  const whole = all.filter((policy) => selectorOf(policy) === undefined).map(({ metadata }) => metadata.namespace)
  const selecting = all.flatMap((policy) => {
    const selector = selectorOf(policy)
    return selector === undefined ? [] : [{ labels: selector.labels, reach: reachOf(policy, facts.settings) }]
  })
  return {
    everywhere: whole.includes(facts.settings.rootNamespace),
    namespaces: new Set(whole),
    workloads: new Set(selecting.flatMap(({ labels, reach }) => facts.selected(labels, reach).map(({ key }) => key))),
    selectors: selecting.map(({ labels }) => labels),
  }
}

function policies(facts: MeshFacts, checked: Checked): readonly Finding[] {
  if (checked.everywhere) return []
  return [...facts.state.objects.AuthorizationPolicy.values()].flatMap((policy) => {
    const asked = askedIn(policy)
    if (asked.length === 0 || isChecked(policy, facts, checked)) return []
    return asked.map(([path, field]) => finding('LTN0314', policy, path, { field, where: 'the workloads of this policy' }))
  })
}

/** Undecided counts as checked: a Finding that is wrong costs more than one that is missing. */
function isChecked(policy: AuthorizationPolicy, facts: MeshFacts, checked: Checked): boolean {
  const { namespace } = policy.metadata
  if (checked.namespaces.has(namespace)) return true
  const selector = selectorOf(policy)
  if (selector === undefined) return checked.selectors.length > 0
  const selected = facts.selected(selector.labels, reachOf(policy, facts.settings))
  if (selected.length === 0) return facts.workloads.length === 0 && checked.selectors.length > 0
  return selected.every((workload) => checked.namespaces.has(workload.namespace) || checked.workloads.has(workload.key))
}

function askedIn({ spec }: AuthorizationPolicy): readonly (readonly [string, string])[] {
  return (spec.rules ?? []).flatMap((rule, index) => [
    ...(rule.from ?? []).flatMap(({ source }, place) =>
      (['requestPrincipals', 'notRequestPrincipals'] as const).flatMap((field) =>
        source?.[field] === undefined ? [] : [[`spec.rules[${index}].from[${place}].source.${field}`, field] as const],
      ),
    ),
    ...(rule.when ?? []).flatMap(({ key }, place) =>
      key.startsWith('request.auth.') ? [[`spec.rules[${index}].when[${place}].key`, key] as const] : [],
    ),
  ])
}

/** Routes by a token's claims work at gateways only, and only behind a RequestAuthentication there. */
function routes(facts: MeshFacts, checked: Checked): readonly Finding[] {
  if (checked.everywhere) return []
  return [...facts.state.objects.VirtualService.values()].flatMap((route) => {
    const claims = claimMatches(route)
    if (claims.length === 0) return []
    const gateways = (route.spec.gateways ?? []).flatMap(
      (written) => facts.state.objects.Gateway.get(gatewayKey(written, route.metadata.namespace)) ?? [],
    )
    if (gateways.length === 0 || gateways.every((gateway) => gatewayIsChecked(gateway, facts, checked))) return []
    return claims.map(([path, field]) => finding('LTN0314', route, path, { field, where: 'the gateways of this route' }))
  })
}

function gatewayIsChecked({ spec }: Gateway, facts: MeshFacts, checked: Checked): boolean {
  const wanted = spec.selector ?? {}
  const selected = facts.selected(wanted, undefined)
  if (selected.length > 0) return selected.every(({ key, namespace }) => checked.workloads.has(key) || checked.namespaces.has(namespace))
  return (
    checked.namespaces.size > 0 || checked.selectors.some((labels) => Object.entries(labels).every(([key, value]) => wanted[key] === value))
  )
}

function claimMatches({ spec }: VirtualService): readonly (readonly [string, string])[] {
  return (spec.http ?? []).flatMap(({ match }, index) =>
    (match ?? []).flatMap(({ headers, withoutHeaders }, place) =>
      Object.entries({ headers, withoutHeaders }).flatMap(([field, matches]) =>
        Object.keys(matches ?? {})
          .filter((name) => name.startsWith('@request.auth.'))
          .map((name) => [`spec.http[${index}].match[${place}].${field}[${JSON.stringify(name)}]`, name] as const),
      ),
    ),
  )
}
