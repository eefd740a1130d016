// For whom a scope is made, as far as it matters to what is in it. Made by viewFor, read by the files that choose.
import type { Locality } from '../../model/service.ts'
import type { Capture } from '../../model/workload.ts'

/** How what is shared is told apart: sidecars by how they are called; gateways have listeners and routes of their own. */
export type ScopeKind = Capture['kind'] | 'gateway'

export interface Client {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly capture: ScopeKind
  readonly isStock: boolean
  readonly locality: Locality
  /** Takes virtual hosts as resources of their own. */
  readonly discoversVirtualHosts: boolean
}
