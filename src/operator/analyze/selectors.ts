// Selectors that select nobody: the object does nothing, and its author believes it does.
import { type Finding, finding } from '../../api/finding.ts'
import type { KindName } from '../../api/kinds.ts'
import { type MeshFacts, reachOf, selectorOf } from './mesh-facts.ts'

const SELECTING: readonly KindName[] = [
  'Gateway',
  'Service',
  'ServiceEntry',
  'Sidecar',
  'DestinationRule',
  'PeerAuthentication',
  'RequestAuthentication',
  'AuthorizationPolicy',
  'Telemetry',
  'WasmPlugin',
  'EnvoyFilter',
  'ProxyConfig',
]

export function emptySelectors(facts: MeshFacts): readonly Finding[] {
  if (facts.workloads.length === 0) return []
  const findings: Finding[] = []
  for (const kind of SELECTING) {
    for (const object of facts.state.objects[kind].values()) {
      const selector = selectorOf(object)
      // Compile has said of these that they apply to nothing (LTN0206).
      const inert = object.kind === 'PeerAuthentication' && object.metadata.namespace === facts.settings.rootNamespace
      if (selector === undefined || inert) continue
      const reach = reachOf(object, facts.settings)
      if (facts.selected(selector.labels, reach).length > 0) continue
      const labels = Object.entries(selector.labels).map(([key, value]) => `${key}=${value}`)
      const where = reach === undefined ? 'the mesh' : `namespace '${reach}'`
      findings.push(finding('LTN0306', object, selector.path, { labels: labels.join(','), where }))
    }
  }
  return findings
}
