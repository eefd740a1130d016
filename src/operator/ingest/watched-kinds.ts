// What a control plane watches of a cluster, and what it keeps of each kind. Asked by kubernetes-source.ts.
// Invariant: a kind is optional when it comes with CRDs that a cluster may lack; everything else must answer before there is a mesh.
import type { CheckOptions } from '../../api/check-options.ts'
import type { KindName } from '../../api/kinds.ts'
import { meshResources, type Resource, resourceOf } from '../../kube/resource.ts'
import { type Reduce, reduceChecked, reduceEndpointSlice, reduceMeshConfig, reduceNode, reducePod } from './reduce.ts'

export interface WatchedKind {
  /** Of the objects that the mesh knows. */
  readonly kind: KindName
  readonly resource: Resource
  readonly reduce: Reduce
  readonly isOptional: boolean
  /** Undefined: all that the install may see. */
  readonly namespaces?: readonly string[]
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Whether the label istio.io/rev says for which control plane an object is. */
  readonly isOfRevision: boolean
}

/** Slices that Kubernetes makes of a Service's selector repeat its pods, and turn with them. */
const OF_NO_SELECTOR = 'endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io'

export interface Watching {
  readonly check: CheckOptions
  readonly systemNamespace: string
  /** Name of the ConfigMap with the mesh's settings. */
  readonly meshConfigMap: string
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[]
}

export function watchedKinds({ check, systemNamespace, meshConfigMap, namespaces }: Watching): readonly WatchedKind[] {
  const checked = reduceChecked(check)
  const own = { isOptional: false, isOfRevision: false } as const
  // Whoever may see a few namespaces may not see what is outside of all: then there are no localities, and namespaces are names only.
  const ofCluster: readonly WatchedKind[] =
    namespaces.length > 0
      ? []
      : [
          { kind: 'Node', resource: resourceOf('Node'), reduce: reduceNode, ...own },
          { kind: 'Namespace', resource: resourceOf('Namespace'), reduce: checked, ...own },
        ]
  return [
    {
      ...{ kind: 'MeshConfig', resource: resourceOf('ConfigMap'), reduce: reduceMeshConfig(check), ...own },
      ...{ namespaces: [systemNamespace], fieldSelector: `metadata.name=${meshConfigMap}` },
    },
    ...ofCluster,
    { kind: 'Service', resource: resourceOf('Service'), reduce: checked, ...own },
    { kind: 'Pod', resource: resourceOf('Pod'), reduce: reducePod, ...own },
    {
      ...{ kind: 'EndpointSlice', resource: resourceOf('EndpointSlice'), reduce: reduceEndpointSlice, ...own },
      labelSelector: OF_NO_SELECTOR,
    },
    ...meshKinds(checked),
  ]
}

function meshKinds(reduce: Reduce): readonly WatchedKind[] {
  return meshResources().map((resource) => {
    // Resources of the mesh are made of the registry's kinds.
    const kind = resource.kind as KindName
    return { kind, resource, reduce, isOptional: true, isOfRevision: true }
  })
}
