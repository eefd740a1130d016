// The token of the pod's account, which the API server puts into every container. It has done so before it asks us, and does it again after us,
// to the containers that we have added: that changes the pod, and it would call every webhook that wants to know of changes a second time, for
// every pod (reinvocationPolicy IfNeeded). Pure. Called by inject.ts.
import type { Container, Pod } from './pod.ts'

/** Kubernetes: admission plugin ServiceAccount. */
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'

/** As the API server would leave the container; where the pod has no token, nothing. */
export function withAccountToken(container: Container, { spec }: Pod): Container {
  const { volumeMounts = [] } = container
  const volume = spec.volumes?.find(({ name }) => name.startsWith(VOLUME_PREFIX))
  if (volume === undefined || volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH)) return container
  return { ...container, volumeMounts: [...volumeMounts, { name: volume.name, readOnly: true, mountPath: MOUNT_PATH }] }
}
