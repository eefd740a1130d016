// Which services a client knows: those that are exported to its namespace, narrowed by the Sidecar that is for it. Called by scope-view.ts.
// Invariant: of several services of one name, a client knows its own namespace's, else the first; Envoy takes a name once only.
import { hasLabels } from '../../model/destination-policy.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { MeshService } from '../../model/service.ts'
import type { HostPattern, SidecarScope } from '../../model/sidecar-scope.ts'
import { isVisibleTo } from '../../model/visibility.ts'
import type { Client } from './client.ts'

/** The one that selects the workload, else its namespace's, else the mesh's; the oldest of each (they are in this order). */
export function chooseSidecar(
  { sidecars, settings }: MeshSnapshot,
  client: Pick<Client, 'capture' | 'labels' | 'namespace'>,
): SidecarScope | undefined {
  if (sidecars.size === 0 || client.capture === 'gateway') return undefined
  const byNamespace = sidecarsByNamespace.get(sidecars) ?? Map.groupBy(sidecars.values(), ({ namespace }) => namespace)
  sidecarsByNamespace.set(sidecars, byNamespace)
  const own = byNamespace.get(client.namespace) ?? []
  return (
    own.find(({ workloadLabels }) => workloadLabels !== undefined && hasLabels(client.labels, workloadLabels)) ??
    own.find(({ workloadLabels }) => workloadLabels === undefined) ??
    byNamespace.get(settings.rootNamespace)?.find(({ workloadLabels }) => workloadLabels === undefined)
  )
}

const sidecarsByNamespace = new WeakMap<MeshSnapshot['sidecars'], ReadonlyMap<string, readonly SidecarScope[]>>()

export interface KnownService {
  /** In the snapshot. */
  readonly key: string
  readonly service: MeshService
}

/** By hostname, sorted. */
export function chooseServices(snapshot: MeshSnapshot, client: Client, sidecar: SidecarScope | undefined): readonly KnownService[] {
  const chosen = new Map<string, KnownService>()
  for (const [key, service] of snapshot.services) {
    if (!isVisibleTo(service.visibility, client.namespace)) continue
    const imported = sidecar === undefined ? service : importedPart(service, sidecar)
    if (imported === undefined) continue
    const before = chosen.get(service.hostname)
    if (before === undefined || (before.service.namespace !== client.namespace && service.namespace === client.namespace)) {
      chosen.set(service.hostname, { key, service: imported })
    }
  }
  return [...chosen.values()]
}

/** With the ports that are imported; undefined: not at all. */
function importedPart(service: MeshService, { imports, exclusions }: SidecarScope): MeshService | undefined {
  if (exclusions.some((each) => covers(each, service))) return undefined
  if (imports === undefined) return service
  const byPort = new Set(imports.flatMap(({ port }) => port ?? []))
  const ports = service.ports.filter(({ number }) =>
    imports.some(
      ({ port, hosts }) => (port === undefined ? !byPort.has(number) : port === number) && hosts.some((each) => covers(each, service)),
    ),
  )
  if (ports.length === service.ports.length && ports.length > 0) return service
  if (ports.length === 0) return undefined
  return withPorts(service, ports)
}

const narrowed = new WeakMap<MeshService, Map<string, MeshService>>()

/** The same object for the same ports, so that what is made from it is made once. */
function withPorts(service: MeshService, ports: MeshService['ports']): MeshService {
  const known = narrowed.get(service) ?? new Map<string, MeshService>()
  narrowed.set(service, known)
  const key = ports.map(({ number }) => number).join(' ')
  const found = known.get(key) ?? { ...service, ports }
  known.set(key, found)
  return found
}

/** Whether a name that is no service is imported, as `namespace` writes about it. */
export function importsHost({ imports, exclusions }: SidecarScope, host: string, namespace: string): boolean {
  const named = { hostname: host, namespace }
  if (exclusions.some((each) => covers(each, named))) return false
  return imports === undefined || imports.some(({ hosts }) => hosts.some((each) => covers(each, named)))
}

function covers({ namespace, host }: HostPattern, service: Pick<MeshService, 'hostname' | 'namespace'>): boolean {
  if (namespace !== '*' && namespace !== service.namespace) return false
  if (host === '*' || host === service.hostname) return true
  return host.startsWith('*') && service.hostname.endsWith(host.slice(1))
}
