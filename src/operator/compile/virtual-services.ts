// VirtualServices become traffic routes: who owns a host. What a route says is http-routes.ts's. Last pass.
// Invariant: one owner per host, the oldest object; the others' Findings name it. Nothing is merged on sidecars (Istio's rule).
import { type Finding, finding } from '../../api/finding.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { describeOrigin } from '../../model/origin.ts'
import { isHttp } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import { didYouMean, isRoutableHost, resolveHost } from './hosts.ts'
import { httpRoutes } from './http-routes.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'

/** The gateway name that means 'every sidecar'. */
const MESH = 'mesh'

export function virtualServices(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const oldestFirst = [...input.state.objects.VirtualService.values()].sort(byAge)
  return oldestFirst.filter(appliesToSidecars).flatMap((object) => addVirtualService(object, draft, input))
}

function appliesToSidecars({ spec }: VirtualService): boolean {
  return spec.gateways === undefined || spec.gateways.length === 0 || spec.gateways.includes(MESH)
}

function addVirtualService(object: VirtualService, draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  const { routes: http, findings: ofRoutes } = httpRoutes(object, draft, input)
  findings.push(...ofRoutes)
  const own = new Set<string>()
  for (const [index, written] of (object.spec.hosts ?? []).entries()) {
    const host = resolveHost(written, object.metadata.namespace, input.settings)
    if (own.has(host) || !isRoutableHost(host)) continue
    own.add(host)
    const path = `spec.hosts[${index}]`
    const winner = draft.routes.get(host)
    if (winner !== undefined) {
      findings.push(finding('LTN0205', object, path, { what: `host '${host}'`, winner: describeOrigin(winner.origin) }))
      continue
    }
    if (isMissingService(host, draft, input)) {
      findings.push(finding('LTN0208', object, path, { host: written, suggestion: didYouMean(written, host, draft.services.keys()) }))
    }
    const service = draft.services.get(host)
    if (service !== undefined && http.length > 0 && !service.ports.some(({ protocol }) => isHttp(protocol))) {
      findings.push(finding('LTN0210', object, path, { host: written }))
    }
    draft.routes.set(host, { host, http, origin: originOf(object) })
  }
  return findings
}

/** A name of this mesh that no Service has. Other names may be hosts of the outside world. */
function isMissingService(host: string, draft: MeshDraft, input: CompileInput): boolean {
  return !draft.services.has(host) && !host.includes('*') && host.endsWith(`.svc.${input.settings.domainSuffix}`)
}
