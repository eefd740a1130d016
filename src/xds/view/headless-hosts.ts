// The addresses behind a headless Service: its clients call them, and nothing else tells connections to it from connections to others on the
// same port, inside the mesh and outside. Asked by outbound-listeners.ts and scope-keys.ts.
// Invariant: who answers at the moment plays no part, so that a pod that turns does not change a listener.
import type { ServiceView } from './proxy-view.ts'

/** Undefined: the Service is not headless. */
export function headlessHosts({ service, endpoints }: ServiceView): readonly string[] | undefined {
  if (service.resolution !== 'passthrough' || !service.hasShortNames) return undefined
  const all = endpoints.ports.flatMap((port) => port.endpoints.flatMap(({ host, otherHosts = [] }) => [host, ...otherHosts]))
  return [...new Set(all)].sort()
}
