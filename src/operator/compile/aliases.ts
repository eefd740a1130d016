// ExternalName Services stand for another name: of the mesh, whose endpoints they share, or of the outside world, which DNS knows.
// After serviceEntries, before endpoints: by then every name of the mesh is known.
import { type Finding, finding } from '../../api/finding.ts'
import { NO_LOCALITY } from '../../model/service.ts'
import type { CompileInput } from './compile-input.ts'
import type { MeshDraft } from './mesh-draft.ts'

export function aliases(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const findings: Finding[] = []
  for (const [hostname, target] of draft.aliases) {
    const service = draft.services.get(hostname)
    if (service === undefined) continue
    if (isOfTheMesh(target, draft)) continue
    draft.aliases.delete(hostname)
    const object = input.state.objects.Service.get(`${service.namespace}/${service.name}`)
    if (target.endsWith(`.svc.${input.settings.domainSuffix}`) && object !== undefined) {
      findings.push(finding('LTN0231', object, 'spec.externalName', { host: target }))
    }
    draft.services.set(hostname, { ...service, resolution: 'dns', isExternal: true })
    const endpoint = { address: target, ports: {}, labels: {}, locality: NO_LOCALITY, weight: 1, serviceAccount: undefined }
    draft.fixedEndpoints.set(hostname, target === '' ? [] : [{ name: service.name, namespace: service.namespace, ...endpoint }])
  }
  return findings
}

/** An alias of an alias is left to DNS: it could be a circle. */
function isOfTheMesh(target: string, draft: MeshDraft): boolean {
  return draft.services.get(target)?.resolution === 'endpoints' && !draft.aliases.has(target)
}
