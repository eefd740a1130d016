// EndpointSlices say who answers for Services that select nobody by themselves. After instances, because a slice may point at a pod, which
// then lends it identity, labels and place.
// Invariant: a Service with a selector is made of pods alone: its slices repeat them, and would make each turn of a pod a pass.
import { type Finding, finding } from '../../api/finding.ts'
import type { EndpointSlice, SliceConditions, SliceEndpoint } from '../../api/generated/endpoint-slice.gen.ts'
import type { Node } from '../../api/generated/node.gen.ts'
import { serviceHostname } from '../../model/mesh-settings.ts'
import { type Endpoint, type Locality, NO_LOCALITY } from '../../model/service.ts'
import type { Instance } from './instance.ts'
import type { FixedEndpoint } from './mesh-draft.ts'
import { localityOfNode } from './node-locality.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'

export const endpointSlices = definePass({
  kinds: ['EndpointSlice', 'Node'],
  reads: ['services', 'selectors', 'aliases', 'instances', 'fixedEndpoints'],
  create: () => {
    const compiled = new Remembered(compileSlice)
    return ({ objects, draft, settings }) => {
      const compile = compiled.round()
      const findings: Finding[] = []
      const fixedEndpoints = new Map(draft.fixedEndpoints)
      for (const [key, slice] of objects.EndpointSlice) {
        const { labels, namespace } = slice.metadata
        const hostname = serviceHostname(labels[SERVICE_LABEL] ?? '', namespace, settings)
        const service = draft.services.get(hostname)
        if (service?.hasShortNames !== true || draft.selectors.has(hostname) || draft.aliases.has(hostname)) continue
        const targets = (slice.spec.endpoints ?? []).map((each) => draft.instances.get(targetOf(each, namespace)))
        const nodes = (slice.spec.endpoints ?? []).map(({ nodeName }) => objects.Node.get(`/${nodeName ?? ''}`))
        const made = compile(key, slice, targets, nodes)
        fixedEndpoints.set(hostname, [...(fixedEndpoints.get(hostname) ?? []), ...made.endpoints])
        findings.push(...made.findings)
      }
      return { fixedEndpoints, findings }
    }
  },
})

/** Key of the pod behind it; empty: none. */
function targetOf({ targetRef }: SliceEndpoint, namespace: string): string {
  return targetRef?.kind === 'Pod' ? `${targetRef.namespace ?? namespace}/${targetRef.name ?? ''}` : ''
}

interface CompiledSlice {
  readonly endpoints: readonly FixedEndpoint[]
  readonly findings: readonly Finding[]
}

/** @param targets the pods behind its endpoints, and `nodes` where these are, both in their order. */
function compileSlice(
  slice: EndpointSlice,
  targets: readonly (Instance | undefined)[],
  nodes: readonly (Node | undefined)[],
): CompiledSlice {
  const { addressType, endpoints = [], ports = [] } = slice.spec
  if (addressType === 'FQDN') {
    return { endpoints: [], findings: [finding('LTN0102', slice, 'spec.addressType', { field: 'FQDN (names instead of addresses)' })] }
  }
  const tcp = ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')
  const numbers = Object.fromEntries(tcp.flatMap(({ name = '', port }) => (port === undefined ? [] : [[name, port]])))
  const made = endpoints.flatMap((endpoint, index): readonly FixedEndpoint[] => {
    // All of them are the same endpoint; consumers are to use the first (Kubernetes' API).
    const [address] = endpoint.addresses
    if (address === undefined) return []
    const { metadata } = slice
    const common = { address, ports: numbers, hasAllPorts: true, health: healthOf(endpoint.conditions), weight: 1 } as const
    const target = targets[index]
    if (target !== undefined) {
      const { namespace, workloadName: name, labels, locality, hasProxy, serviceAccount } = target
      return [{ ...common, name, namespace, labels, locality, hasProxy, serviceAccount }]
    }
    const name = metadata.labels[SERVICE_LABEL] ?? metadata.name
    const locality = placeOf(endpoint, nodes[index])
    return [{ ...common, name, namespace: metadata.namespace, labels: {}, locality, hasProxy: false, serviceAccount: undefined }]
  })
  return { endpoints: made, findings: [] }
}

/** Absent conditions are those of who answers (Kubernetes' API). */
function healthOf({ ready = true, serving = ready, terminating = false }: SliceConditions = {}): Endpoint['health'] {
  if (ready) return 'healthy'
  return serving && terminating ? 'draining' : 'unhealthy'
}

function placeOf({ zone = '' }: SliceEndpoint, node: Node | undefined): Locality {
  const known = node === undefined ? NO_LOCALITY : localityOfNode(node)
  return known.zone === '' ? { ...known, zone } : known
}
