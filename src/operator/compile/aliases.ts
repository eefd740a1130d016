// ExternalName Services stand for another name: of the mesh, whose endpoints they share, or of the outside world, which DNS knows.
// After serviceEntries, before endpoints: by then every name of the mesh is known.
import { type Finding, finding } from '../../api/finding.ts'
import { type MeshService, NO_LOCALITY } from '../../model/service.ts'
import type { FixedEndpoint, MeshDraft, Pass } from './mesh-draft.ts'
import { Remembered } from './remembered.ts'

export function aliases(): Pass {
  const compiled = new Remembered(outsideName)
  return (draft, { state, settings }) => {
    const compile = compiled.round()
    const findings: Finding[] = []
    for (const [hostname, target] of draft.aliases) {
      const service = draft.services.get(hostname)
      if (service === undefined || isOfTheMesh(target, draft)) continue
      draft.aliases.delete(hostname)
      const object = state.objects.Service.get(`${service.namespace}/${service.name}`)
      if (target.endsWith(`.svc.${settings.domainSuffix}`) && object !== undefined) {
        findings.push(finding('LTN0231', object, 'spec.externalName', { host: target }))
      }
      const outside = compile(hostname, service, target)
      draft.services.set(hostname, outside.service)
      draft.fixedEndpoints.set(hostname, outside.endpoints)
    }
    return findings
  }
}

interface OutsideName {
  readonly service: MeshService
  readonly endpoints: readonly FixedEndpoint[]
}

function outsideName(service: MeshService, target: string): OutsideName {
  const { name, namespace } = service
  const endpoint = { name, namespace, address: target, ports: {}, labels: {}, locality: NO_LOCALITY, weight: 1, serviceAccount: undefined }
  return { service: { ...service, resolution: 'dns', isExternal: true }, endpoints: target === '' ? [] : [endpoint] }
}

/** An alias of an alias is left to DNS: it could be a circle. */
function isOfTheMesh(target: string, draft: MeshDraft): boolean {
  return draft.services.get(target)?.resolution === 'endpoints' && !draft.aliases.has(target)
}
