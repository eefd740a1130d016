// What the mesh keeps of a pod's spec: a few words of kilobytes. Called by reduce.ts.
import type { PodContainer, PodPort, PodSpec } from '../../api/generated/pod.gen.ts'
import { isRecord } from '../../api/record.ts'

export function reducePodSpec(spec: unknown): PodSpec {
  const { serviceAccountName, nodeName, hostNetwork, containers, initContainers } = isRecord(spec) ? spec : {}
  return {
    ...(typeof serviceAccountName === 'string' ? { serviceAccountName } : {}),
    ...(typeof nodeName === 'string' ? { nodeName } : {}),
    ...(hostNetwork === true ? { hostNetwork } : {}),
    ...{ containers: containersOf(containers), initContainers: containersOf(initContainers) },
  }
}

/** Those that declare ports. */
function containersOf(written: unknown): readonly PodContainer[] {
  if (!Array.isArray(written)) return []
  return written.flatMap((container: unknown): readonly PodContainer[] => {
    const ports = isRecord(container) && Array.isArray(container.ports) ? container.ports.flatMap(portOf) : []
    return ports.length === 0 ? [] : [{ ports }]
  })
}

function portOf(written: unknown): readonly PodPort[] {
  if (!isRecord(written) || typeof written.containerPort !== 'number') return []
  const { name, containerPort, protocol } = written
  return [
    {
      ...(typeof name === 'string' ? { name } : {}),
      containerPort,
      ...(protocol === 'UDP' || protocol === 'SCTP' ? { protocol } : {}),
    },
  ]
}
