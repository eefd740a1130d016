// Which resources the API server serves that we ask for, and their paths. Asked by everything in this folder and by its callers.
// Invariant: a mesh kind's row comes from api/kinds.ts (and so from its CRD); only Kubernetes' own kinds are written here.
import { type KindName, kindInfo, kinds } from '../api/kinds.ts'
import { LateenError } from '../base/errors.ts'

export interface Resource {
  /** Empty for Kubernetes' core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

function own(group: string, version: string, plural: string, kind: string, namespaced = true): Resource {
  return { group, version, plural, kind, namespaced }
}

const kubernetes = {
  Pod: own('', 'v1', 'pods', 'Pod'),
  Node: own('', 'v1', 'nodes', 'Node', false),
  Namespace: own('', 'v1', 'namespaces', 'Namespace', false),
  Service: own('', 'v1', 'services', 'Service'),
  ServiceAccount: own('', 'v1', 'serviceaccounts', 'ServiceAccount'),
  ConfigMap: own('', 'v1', 'configmaps', 'ConfigMap'),
  Secret: own('', 'v1', 'secrets', 'Secret'),
  EndpointSlice: own('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice'),
  Lease: own('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  Event: own('events.k8s.io', 'v1', 'events', 'Event'),
  Deployment: own('apps', 'v1', 'deployments', 'Deployment'),
  ReplicaSet: own('apps', 'v1', 'replicasets', 'ReplicaSet'),
  StatefulSet: own('apps', 'v1', 'statefulsets', 'StatefulSet'),
  DaemonSet: own('apps', 'v1', 'daemonsets', 'DaemonSet'),
  Job: own('batch', 'v1', 'jobs', 'Job'),
  MutatingWebhookConfiguration: own(
    'admissionregistration.k8s.io',
    'v1',
    'mutatingwebhookconfigurations',
    'MutatingWebhookConfiguration',
    false,
  ),
  ValidatingWebhookConfiguration: own(
    'admissionregistration.k8s.io',
    'v1',
    'validatingwebhookconfigurations',
    'ValidatingWebhookConfiguration',
    false,
  ),
  CustomResourceDefinition: own('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition', false),
  TokenReview: own('authentication.k8s.io', 'v1', 'tokenreviews', 'TokenReview', false),
  SubjectAccessReview: own('authorization.k8s.io', 'v1', 'subjectaccessreviews', 'SubjectAccessReview', false),
  SelfSubjectAccessReview: own('authorization.k8s.io', 'v1', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', false),
} as const satisfies Readonly<Record<string, Resource>>

export type KubernetesKind = keyof typeof kubernetes

/** Kinds whose files a directory may hold but that no API server serves. */
const STANDALONE_GROUP = 'lateen.dev'

/** The resource of a kind that we know; `resourceOf('VirtualService')`, `resourceOf('Pod')`. */
export function resourceOf(kind: KubernetesKind | KindName): Resource {
  const found = findResource(kind)
  if (found === undefined) throw new LateenError('UNKNOWN_KIND', `no API server serves the kind ${kind}`, { fields: { kind } })
  return found
}

/** As `resourceOf`, for a word that came from outside. */
export function findResource(kind: string): Resource | undefined {
  const known: Readonly<Record<string, Resource>> = kubernetes
  if (Object.hasOwn(known, kind)) return known[kind]
  const info = kindInfo(kind)
  const version = info?.versions[0]
  if (info === undefined || version === undefined || info.group === STANDALONE_GROUP) return undefined
  // The newest served version: the API server converts (same schema in all of ours), so one watch sees all.
  return { group: info.group, version, plural: info.plural, kind, namespaced: info.namespaced }
}

/** Every mesh kind that the chart's CRDs serve, in the registry's order. */
export function meshResources(): readonly Resource[] {
  return kinds.flatMap(({ kind, group }) => (group.endsWith('.istio.io') ? [resourceOf(kind)] : []))
}

/** `networking.istio.io/v1`, or `v1` in the core group. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

export interface Place {
  /** Absent: all namespaces, or a kind outside namespaces. */
  readonly namespace?: string | undefined
  readonly name?: string | undefined
  readonly subresource?: string | undefined
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews/status`. */
export function pathOf(resource: Resource, place: Place = {}): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const inNamespace =
    resource.namespaced && place.namespace !== undefined && place.namespace !== ''
      ? `/namespaces/${encodeURIComponent(place.namespace)}`
      : ''
  const name = place.name === undefined ? '' : `/${encodeURIComponent(place.name)}`
  const subresource = place.subresource === undefined ? '' : `/${place.subresource}`
  return `${root}${inNamespace}/${resource.plural}${name}${subresource}`
}

/** `pods 'web' in namespace 'default'`: for messages. */
export function describe(resource: Resource, place: Place = {}): string {
  const name = place.name === undefined ? '' : ` '${place.name}'`
  const subresource = place.subresource === undefined ? '' : ` (${place.subresource})`
  const where = !resource.namespaced
    ? ''
    : place.namespace === undefined || place.namespace === ''
      ? ' in all namespaces'
      : ` in namespace '${place.namespace}'`
  return `${resource.plural}${name}${subresource}${where}`
}

/** Everything that `findResource` knows. */
export function knownResources(): readonly Resource[] {
  return [...Object.values(kubernetes), ...meshResources()]
}
