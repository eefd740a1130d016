// Where traffic goes that no service claims. Shared by all proxies of a scope.
import type { Cluster } from '../../envoy/generated/messages.gen.ts'
import { BLACK_HOLE_CLUSTER, PASSTHROUGH_CLUSTER } from '../../envoy/names.ts'
import type { ScopeView } from '../view/proxy-view.ts'
import { common } from './cluster-parts.ts'
import type { Resource } from './resources.ts'

export function builtInClusters(scope: ScopeView): readonly Resource[] {
  const blackHole: Cluster = { name: BLACK_HOLE_CLUSTER, type: 'STATIC', connectTimeout: scope.settings.connectTimeoutMs }
  const resources: Resource[] = [{ type: 'envoy.config.cluster.v3.Cluster', name: BLACK_HOLE_CLUSTER, message: blackHole }]
  // The original destination exists only where the kernel redirected; a bound proxy would call itself.
  if (scope.capture === 'redirect') {
    const passthrough: Cluster = {
      name: PASSTHROUGH_CLUSTER,
      type: 'ORIGINAL_DST',
      lbPolicy: 'CLUSTER_PROVIDED',
      ...common(scope.settings),
    }
    resources.push({ type: 'envoy.config.cluster.v3.Cluster', name: PASSTHROUGH_CLUSTER, message: passthrough })
  }
  return resources
}
