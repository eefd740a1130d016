// What several checks ask, worked out once: who the workloads are, which names are known, and where an object's selector looks.
// Invariant: looking up a selector's workloads costs as much as its rarest label is frequent, so that thousands of policies stay cheap.
import type { AnyApiObject } from '../../api/kinds.ts'
import { keyOf } from '../../api/object-meta.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import { type MeshSettings, serviceHostname } from '../../model/mesh-settings.ts'
import type { KubeState } from '../ingest/kube-state.ts'

export type Labels = Readonly<Record<string, string>>

export interface KnownWorkload {
  /** Unique. */
  readonly key: string
  readonly namespace: string
  readonly labels: Labels
  /** Undefined: the object does not list them all. */
  readonly ports: readonly { readonly name: string; readonly number: number }[] | undefined
}

export interface MeshFacts {
  readonly state: KubeState
  readonly settings: MeshSettings
  /** Empty when the mesh's workloads are not among the objects: then nothing can be said about selectors. */
  readonly workloads: readonly KnownWorkload[]
  /** Names of Services and ServiceEntries, wildcards included, with the namespace of the object. */
  readonly hosts: ReadonlyMap<string, string>
  /** In the namespace, or everywhere when it is undefined. */
  readonly selected: (labels: Labels, namespace: string | undefined) => readonly KnownWorkload[]
}

export function meshFacts(state: KubeState, settings: MeshSettings): MeshFacts {
  const workloads = [...workloadsOf(state)]
  const byLabel = indexByLabel(workloads)
  const byNamespace = Map.groupBy(workloads, ({ namespace }) => namespace)
  return {
    state,
    settings,
    workloads,
    hosts: hostsOf(state, settings),
    selected(labels, namespace) {
      const all = namespace === undefined ? workloads : (byNamespace.get(namespace) ?? [])
      const lists = Object.entries(labels).map(([key, value]) => byLabel.get(`${key}=${value}`) ?? [])
      const rarest = lists.reduce((least, list) => (list.length < least.length ? list : least), all)
      return rarest.filter((each) => (namespace === undefined || each.namespace === namespace) && hasLabels(each.labels, labels))
    },
  }
}

function* workloadsOf({ objects }: KubeState): Generator<KnownWorkload> {
  for (const object of objects.LocalWorkload.values()) {
    const ports = (object.spec.ports ?? []).map(({ name = '', containerPort }) => ({ name, number: containerPort }))
    yield { key: `LocalWorkload ${keyOf(object)}`, namespace: object.metadata.namespace, labels: object.metadata.labels, ports }
  }
  for (const pod of objects.Pod.values()) {
    // Services mean ports that pods do not declare, so those that they declare are not all.
    yield { key: `Pod ${keyOf(pod)}`, namespace: pod.metadata.namespace, labels: pod.metadata.labels, ports: undefined }
  }
  for (const object of objects.WorkloadEntry.values()) {
    // Istio selects by the labels of the spec; those of the object come on top of them.
    const labels = { ...object.metadata.labels, ...object.spec.labels }
    yield { key: `WorkloadEntry ${keyOf(object)}`, namespace: object.metadata.namespace, labels, ports: undefined }
  }
}

function indexByLabel(workloads: readonly KnownWorkload[]): ReadonlyMap<string, readonly KnownWorkload[]> {
  const index = new Map<string, KnownWorkload[]>()
  for (const workload of workloads) {
    for (const [key, value] of Object.entries(workload.labels)) {
      const list = index.get(`${key}=${value}`)
      if (list === undefined) index.set(`${key}=${value}`, [workload])
      else list.push(workload)
    }
  }
  return index
}

function hostsOf({ objects }: KubeState, settings: MeshSettings): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>()
  for (const { metadata } of objects.Service.values()) {
    hosts.set(serviceHostname(metadata.name, metadata.namespace, settings), metadata.namespace)
  }
  for (const { metadata, spec } of objects.ServiceEntry.values()) {
    for (const host of spec.hosts) if (!hosts.has(host.toLowerCase())) hosts.set(host.toLowerCase(), metadata.namespace)
  }
  return hosts
}

/** Kinds of which a selector in the root namespace looks everywhere (Istio: networking kinds and PeerAuthentication look at home only). */
const MESH_WIDE: ReadonlySet<string> = new Set(['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin', 'EnvoyFilter'])

/** The namespace in which the object's selector looks; undefined: in all. */
export function reachOf(object: AnyApiObject, { rootNamespace }: MeshSettings): string | undefined {
  const { namespace } = object.metadata
  // A Gateway selects gateway workloads wherever they run.
  if (object.kind === 'Gateway') return undefined
  return namespace === rootNamespace && MESH_WIDE.has(object.kind) ? undefined : namespace
}

/** What two selectors in the two styles of the API have in common; undefined: the object selects by nothing. */
export function selectorOf(object: AnyApiObject): { readonly labels: Labels; readonly path: string } | undefined {
  switch (object.kind) {
    case 'PeerAuthentication':
    case 'RequestAuthentication':
    case 'AuthorizationPolicy':
    case 'Telemetry':
    case 'WasmPlugin':
    case 'ProxyConfig':
      return some(object.spec.selector?.matchLabels, 'spec.selector')
    case 'DestinationRule':
      return some(object.spec.workloadSelector?.matchLabels, 'spec.workloadSelector')
    case 'Sidecar':
    case 'EnvoyFilter':
    case 'ServiceEntry':
      return some(object.spec.workloadSelector?.labels, 'spec.workloadSelector')
    case 'Gateway':
    case 'Service':
      return some(object.spec.selector, 'spec.selector')
    default:
      return undefined
  }
}

function some(labels: Labels | undefined, path: string): { readonly labels: Labels; readonly path: string } | undefined {
  return labels === undefined || Object.keys(labels).length === 0 ? undefined : { labels, path }
}
