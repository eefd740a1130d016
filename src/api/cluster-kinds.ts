// Kinds of Kubernetes that the mesh does not read: they stand in the same files as its own, and nothing is wrong with them. Asked by
// read-yaml.ts where files are meant for a cluster (`lateen analyze`). In a standalone mesh they have no effect, which is said (LTN0105).
// Invariant: only well-known names: whatever else may be a slip in the name of a mesh kind.
import { isRecord } from './record.ts'

const KINDS: Readonly<Record<string, readonly string[]>> = {
  '': [
    ...['ConfigMap', 'Endpoints', 'Event', 'LimitRange', 'PersistentVolume', 'PersistentVolumeClaim', 'PodTemplate'],
    ...['ReplicationController', 'ResourceQuota', 'Secret', 'ServiceAccount'],
  ],
  'admissionregistration.k8s.io': [
    ...['MutatingWebhookConfiguration', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
    'ValidatingWebhookConfiguration',
  ],
  'apiextensions.k8s.io': ['CustomResourceDefinition'],
  'apiregistration.k8s.io': ['APIService'],
  apps: ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  autoscaling: ['HorizontalPodAutoscaler'],
  batch: ['CronJob', 'Job'],
  'cert-manager.io': ['Certificate', 'ClusterIssuer', 'Issuer'],
  'coordination.k8s.io': ['Lease'],
  'kustomize.config.k8s.io': ['Component', 'Kustomization'],
  'monitoring.coreos.com': ['PodMonitor', 'PrometheusRule', 'ServiceMonitor'],
  'networking.k8s.io': ['Ingress', 'IngressClass', 'NetworkPolicy'],
  'node.k8s.io': ['RuntimeClass'],
  policy: ['PodDisruptionBudget'],
  'rbac.authorization.k8s.io': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  'scheduling.k8s.io': ['PriorityClass'],
  'storage.k8s.io': ['CSIDriver', 'StorageClass', 'VolumeAttachment'],
}

/** Whether it is somebody else's, in any version. */
export function isClusterKind(value: unknown): boolean {
  if (!isRecord(value) || typeof value.kind !== 'string' || typeof value.apiVersion !== 'string') return false
  const slash = value.apiVersion.indexOf('/')
  const group = slash === -1 ? '' : value.apiVersion.slice(0, slash)
  return Object.hasOwn(KINDS, group) && (KINDS[group] ?? []).includes(value.kind)
}
