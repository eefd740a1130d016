// ExternalName Services stand for another name: of the mesh, whose endpoints they share, or of the outside world, which DNS knows.
// After serviceEntries, before endpoints: by then every name of the mesh is known.
import { type Finding, finding } from '../../api/finding.ts'
import { type MeshService, NO_LOCALITY } from '../../model/service.ts'
import type { FixedEndpoint } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

export const aliases = definePass({
  kinds: ['Service'],
  reads: ['services', 'aliases', 'fixedEndpoints'],
  create: () => {
    const compiled = new Remembered(outsideName)
    return ({ objects, draft, settings }) => {
      const compile = compiled.round()
      const services = new Map(draft.services)
      const inside = new Map(draft.aliases)
      const fixedEndpoints = new Map(draft.fixedEndpoints)
      const findings: Finding[] = []
      for (const [hostname, target] of draft.aliases) {
        const service = services.get(hostname)
        // An alias of an alias is left to DNS: it could be a circle.
        const isOfTheMesh = services.get(target)?.resolution === 'endpoints' && !inside.has(target)
        if (service === undefined || isOfTheMesh) continue
        inside.delete(hostname)
        const object = objects.Service.get(`${service.namespace}/${service.name}`)
        if (target.endsWith(`.svc.${settings.domainSuffix}`) && object !== undefined) {
          findings.push(finding('LTN0231', object, 'spec.externalName', { host: target }))
        }
        const outside = compile(hostname, service, target)
        services.set(hostname, outside.service)
        fixedEndpoints.set(hostname, outside.endpoints)
      }
      return { services, aliases: inside, fixedEndpoints, findings }
    }
  },
})

interface OutsideName {
  readonly service: MeshService
  readonly endpoints: readonly FixedEndpoint[]
}

function outsideName(service: MeshService, target: string): OutsideName {
  const { name, namespace } = service
  const endpoint = { name, namespace, address: target, ports: {}, labels: {}, locality: NO_LOCALITY, weight: 1, serviceAccount: undefined }
  return { service: { ...service, resolution: 'dns', isExternal: true }, endpoints: target === '' ? [] : [endpoint] }
}
