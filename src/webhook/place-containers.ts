// The order in which a pod's containers start. Pure. Native sidecar: proxy, capture, which waits for it, then the pod's own init containers,
// which so are in the mesh. Classic: the pod's init containers first, with plain network, then capture: once connections are redirected and no proxy
// runs, an init container would have no network at all; the proxy last, or first when applications shall wait for it.
import type { Container } from './pod.ts'
import type { ProxyKind } from './proxy-container.ts'

export interface AddedContainers {
  readonly proxy: Container
  readonly init: Container | undefined
}

export interface PlacedContainers {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
}

export function placeContainers(
  kind: ProxyKind,
  { proxy, init }: AddedContainers,
  applications: readonly Container[],
  early: readonly Container[],
  hold: boolean,
): PlacedContainers {
  const capture = init === undefined ? [] : [init]
  const initContainers = kind === 'native' ? [proxy, ...capture, ...early] : [...early, ...capture]
  const lists = {
    native: applications,
    classic: hold ? [proxy, ...applications] : [...applications, proxy],
    gateway: [proxy, ...applications],
  }
  return { containers: lists[kind], ...(initContainers.length === 0 ? {} : { initContainers }) }
}
