// What the mesh keeps of an object that the API server gives, per kind. Called by the informers of kubernetes-source.ts, for every object of
// every list and every event. Pure.
// Invariants: what the mesh does not act on is left out (a node's heartbeat, a pod's conditions, a status that we write ourselves), so that a
// change of it is silence; Kubernetes' own kinds are not validated again, because the API server has done it.
import { checkApiObject } from '../../api/check-object.ts'
import type { CheckOptions } from '../../api/check-options.ts'
import { withSpec } from '../../api/core-shape.ts'
import type { Finding } from '../../api/finding.ts'
import type { EndpointSlice, SliceEndpoint, SlicePort } from '../../api/generated/endpoint-slice.gen.ts'
import type { Node } from '../../api/generated/node.gen.ts'
import type { Pod } from '../../api/generated/pod.gen.ts'
import { adaptConfigMap } from '../../api/istio-config-map.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { type ObjectMeta, type ObjectRef, refOf } from '../../api/object-meta.ts'
import { isRecord } from '../../api/record.ts'
import type { KubeObject } from '../../kube/object.ts'
import { isPodReady, podStatus } from '../compile/pod-status.ts'
import { reducePodSpec } from './reduce-pod-spec.ts'

export interface Reduced {
  /** Undefined: it has errors. A security object with errors is `unreadable` instead. */
  readonly object: AnyApiObject | undefined
  readonly ref: ObjectRef
  readonly findings: readonly Finding[]
  readonly refused: boolean
  /** Label istio.io/rev: for which control plane it is; undefined: for all. */
  readonly revision: string | undefined
  /** Of a pod. */
  readonly ready: boolean
}

export type Reduce = (object: KubeObject) => Reduced | undefined

const REVISION_LABEL = 'istio.io/rev'

/** Services, Namespaces and everything of the mesh: checked as if it came from a file. */
export function reduceChecked(options: CheckOptions): Reduce {
  return (raw) => {
    const { object, findings, refused } = checkApiObject(raw, nowhere, undefined, options)
    const ref = object === undefined ? refOfRaw(raw) : refOf(object)
    const revision = raw.metadata.labels?.[REVISION_LABEL]
    return { object: object === undefined ? undefined : withoutVersion(object), ref, findings, refused, revision, ready: false }
  }
}

/** The mesh's ConfigMap. Undefined: it says nothing of the mesh. */
export function reduceMeshConfig(options: CheckOptions): Reduce {
  return (raw) => {
    const ref: ObjectRef = { ...refOfRaw(raw), kind: 'MeshConfig' }
    const adapted = adaptConfigMap(
      raw,
      nowhere,
      () => false,
      () => 0,
    )
    if (adapted === undefined) return undefined
    const broken = { object: undefined, ref, refused: true, revision: undefined, ready: false }
    if (adapted.broken) return { ...broken, findings: adapted.findings.map((found) => ({ ...found, object: ref })) }
    const spec = isRecord(adapted.value) ? adapted.value.spec : {}
    const checked = reduceChecked(options)({ apiVersion: 'lateen.dev/v1alpha1', kind: 'MeshConfig', metadata: raw.metadata, spec })
    if (checked === undefined) return { ...broken, findings: [] }
    // A revision's own ConfigMap is found by its name.
    return { ...checked, ref, findings: [...adapted.findings, ...checked.findings], revision: undefined }
  }
}

export const reducePod: Reduce = (raw) => {
  const { phase, addresses } = podStatus(raw.status)
  const isOver = phase === 'Succeeded' || phase === 'Failed'
  const [podIP] = addresses
  const object: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...keptMetadata(raw), ...ownerOf(raw) },
    spec: reducePodSpec(raw.spec),
    status: { ...(isOver ? { phase } : {}), ...(podIP === undefined ? {} : { podIP, podIPs: addresses.map((ip) => ({ ip })) }) },
  }
  return kept(object, isPodReady(raw.status))
}

export const reduceNode: Reduce = (raw) => {
  const { name, labels = {} } = raw.metadata
  const object: Node = {
    ...{ apiVersion: 'v1', kind: 'Node', spec: {} },
    metadata: {
      name,
      namespace: '',
      labels: keptEntries(labels, (key) => /^topology\.(?:kubernetes|istio)\.io\//.test(key)),
      annotations: {},
    },
  }
  return kept(object)
}

export const reduceEndpointSlice: Reduce = (raw) => {
  const { spec } = withSpec(raw)
  const { addressType, endpoints, ports } = isRecord(spec) ? spec : {}
  const object: EndpointSlice = {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
    metadata: keptMetadata(raw),
    // The API server has validated these lists by the schema that the types are made of.
    spec: {
      ...(addressType === 'IPv4' || addressType === 'IPv6' || addressType === 'FQDN' ? { addressType } : {}),
      endpoints: Array.isArray(endpoints) ? (endpoints as readonly SliceEndpoint[]) : [],
      ports: Array.isArray(ports) ? (ports as readonly SlicePort[]) : [],
    },
  }
  return kept(object)
}

function kept(object: AnyApiObject, ready = false): Reduced {
  return { object, ref: refOf(object), findings: [], refused: false, revision: undefined, ready }
}

/** Annotations are kept where they are a mesh's: others change often and may be large. */
function keptMetadata({ metadata }: KubeObject): ObjectMeta {
  const { name, namespace = '', labels = {}, annotations = {}, deletionTimestamp } = metadata
  return {
    ...{ name, namespace, labels },
    annotations: keptEntries(annotations, (key) => /(?:^|\.)istio\.io\/|^lateen\.dev\/role$/.test(key)),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  }
}

/** Only who controls the pod says what it is a copy of. */
function ownerOf({ metadata: { ownerReferences = [] } }: KubeObject): Pick<ObjectMeta, 'ownerReferences'> {
  const owner = ownerReferences.find(({ controller }) => controller === true)
  if (owner === undefined) return {}
  const { apiVersion, kind, name, uid } = owner
  return { ownerReferences: [{ apiVersion, kind, name, uid, controller: true }] }
}

function keptEntries(entries: Readonly<Record<string, string>>, isKept: (key: string) => boolean): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => isKept(key)))
}

/** Versions and statuses change when nothing that a user wrote does. */
function withoutVersion(object: AnyApiObject): AnyApiObject {
  const { status: _status, metadata, ...rest } = object
  const { resourceVersion: _version, ...kept } = metadata
  // The same object without what is optional.
  return { ...rest, metadata: kept } as AnyApiObject
}

function refOfRaw({ kind, metadata: { name, namespace = '' } }: KubeObject): ObjectRef {
  return { kind, namespace, name }
}

function nowhere(): undefined {
  return undefined
}
