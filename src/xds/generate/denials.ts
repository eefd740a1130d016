// Closes a workload: requests 403, connections closed, with the policy's name in the access log.
import { any } from '../../envoy/any.ts'
import type { Filter, HttpFilter, RBAC } from '../../envoy/generated/messages.gen.ts'
import type { Denial, Workload } from '../../model/workload.ts'

export function httpDenials({ denials }: Workload): readonly HttpFilter[] {
  if (denials.length === 0) return []
  return [{ name: 'envoy.filters.http.rbac', typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: rulesOf(denials) }) }]
}

export function networkDenials({ denials }: Workload): readonly Filter[] {
  if (denials.length === 0) return []
  const config = any('envoy.extensions.filters.network.rbac.v3.RBAC', { rules: rulesOf(denials), statPrefix: 'tcp.' })
  return [{ name: 'envoy.filters.network.rbac', typedConfig: config }]
}

function rulesOf(denials: readonly Denial[]): RBAC {
  const everything = { permissions: [{ any: true }], principals: [{ any: true }] }
  return { action: 'DENY', policies: Object.fromEntries(denials.map((denial) => [nameOf(denial), everything])) }
}

/** Istio's form of policy names, with what is the matter in place of a rule. */
function nameOf({ policy }: Denial): string {
  return `ns[${policy.namespace}]-policy[${policy.name}]-not-in-force[${policy.kind}]`
}
