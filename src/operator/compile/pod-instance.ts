// A pod as an instance. Called by instances.ts. Pods that have no address yet, and those that have come to their end, are none.
import type { Pod, PodContainer, PodPort } from '../../api/generated/pod.gen.ts'
import { type Locality, localityOfLabels, NO_LOCALITY } from '../../model/service.ts'
import type { Instance, InstancePort } from './instance.ts'
import { originOf } from './mesh-draft.ts'
import { workloadNameOfPod } from './pod-owner.ts'
import { hasMeshProxy, isGatewayPod, uncapturedPorts, usesHttpProxy } from './pod-proxy.ts'
import { podStatus } from './pod-status.ts'

/** @param place where its node is; undefined: the node is not known. */
export function podInstance(pod: Pod, place: Locality | undefined): Instance | undefined {
  const { metadata, spec } = pod
  const { labels, namespace, name } = metadata
  const { phase, addresses } = podStatus(pod.status)
  if (addresses.length === 0 || phase === 'Succeeded' || phase === 'Failed') return undefined
  const said = localityOfLabels(labels)
  return {
    ...{ key: `${namespace}/${name}`, namespace, name, labels, addresses },
    workloadName: workloadNameOfPod(pod),
    serviceAccount: spec.serviceAccountName || 'default',
    ports: [...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(portsOf),
    hasUndeclaredPorts: true,
    locality: said.region === '' ? (place ?? NO_LOCALITY) : said,
    hasProxy: hasMeshProxy(pod),
    isGateway: isGatewayPod(pod),
    uncaptured: uncapturedPorts(pod),
    ...(usesHttpProxy(pod) ? { usesHttpProxy: true } : {}),
    isTerminating: metadata.deletionTimestamp !== undefined,
    plan: undefined,
    origin: originOf(pod),
  }
}

function portsOf({ ports = [] }: PodContainer): readonly InstancePort[] {
  return ports.filter(isTcp).map(({ name = '', containerPort }) => ({ name, number: containerPort }))
}

function isTcp({ protocol = 'TCP' }: PodPort): boolean {
  return protocol === 'TCP'
}
