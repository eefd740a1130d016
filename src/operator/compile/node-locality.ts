// Where a node is, by Kubernetes' and Istio's labels. Called by instances.ts.
import type { Node } from '../../api/generated/node.gen.ts'
import type { Locality } from '../../model/service.ts'

export function localityOfNode({ metadata: { labels } }: Node): Locality {
  return {
    region: labels['topology.kubernetes.io/region'] ?? '',
    zone: labels['topology.kubernetes.io/zone'] ?? '',
    subzone: labels['topology.istio.io/subzone'] ?? '',
  }
}
