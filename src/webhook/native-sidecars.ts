// Whether a cluster has native sidecars, from its nodes' kubelets: SidecarContainers is on by default since Kubernetes 1.29. Pure.
// Invariant: one node that has it not is enough for 'no': the scheduler does not know, and there the pod would hang in its init containers.

/** @param kubeletVersions status.nodeInfo.kubeletVersion of every node: 'v1.34.4', 'v1.28.3-eks-123'. None known yet: no. */
export function haveNativeSidecars(kubeletVersions: Iterable<string>): boolean {
  let any = false
  for (const version of kubeletVersions) {
    any = true
    const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? []
    if (!(Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 29))) return false
  }
  return any
}
