// What a listener reads before it chooses a filter chain, and how long it waits for that. Used by the files that make listeners.
// Invariant: where the server may speak first, the wait ends and the connection goes on as octets: it is late, and not stuck.
import { any } from '../../envoy/any.ts'
import type { FilterChainMatch, Listener, ListenerFilter, ListenerFilterChainMatchPredicate } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { WorkloadPort } from '../../model/workload.ts'

export const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}),
}

export const HTTP_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typedConfig: any('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', {}),
}

/** Plaintext in which HTTP was seen; 1.0 is passed on as octets (Istio). A TLS hello may offer the same names: where it is read, the
 *  transport must be asked for too, and then by all chains, because a chain that asks for it leaves the others no chance. */
export const SEEN_HTTP: FilterChainMatch = { applicationProtocols: ['http/1.1', 'h2c'] }

/** The client is on this machine: what it has to say is there at once. */
const OUTBOUND_WAIT_MS = 100
/** A hello that crosses the network is not to be taken for silence. */
const INBOUND_WAIT_MS = 1000

type Waiting = Pick<Listener, 'listenerFiltersTimeout' | 'continueOnListenerFiltersTimeout'>

/** Of a listener for destinations of which one may speak first. */
export function outboundWait(settings: MeshSettings): Waiting {
  return waiting(settings, OUTBOUND_WAIT_MS)
}

/** @param hearsServerFirst in plaintext, at one of its ports; elsewhere who says nothing is waited for as the proxy does by itself. */
export function inboundWait(settings: MeshSettings, hearsServerFirst: boolean): Waiting {
  return waiting(settings, hearsServerFirst ? INBOUND_WAIT_MS : undefined)
}

/** A setting of the user's counts everywhere; 0: for ever. */
function waiting({ detectionTimeoutMs }: MeshSettings, ownMs: number | undefined): Waiting {
  const waitMs = detectionTimeoutMs ?? ownMs
  if (waitMs === undefined) return {}
  return { listenerFiltersTimeout: waitMs, ...(waitMs === 0 ? {} : { continueOnListenerFiltersTimeout: true }) }
}

/** What the listener of one workload port reads. */
export function inboundInspection(port: WorkloadPort, settings: MeshSettings): Listener {
  if (!looksForTls(port) && !looksForHttp(port)) return {}
  return {
    listenerFilters: [...(looksForTls(port) ? [TLS_INSPECTOR] : []), ...(looksForHttp(port) ? [HTTP_INSPECTOR] : [])],
    ...inboundWait(settings, hearsServerFirst(port.tls.mode, port.protocol)),
  }
}

export function looksForTls({ tls, ingress }: WorkloadPort): boolean {
  return tls.mode !== 'disable' || ingress?.tls !== undefined
}

export function looksForHttp({ tls, ingress, protocol }: WorkloadPort): boolean {
  return protocol === 'auto' && tls.mode !== 'strict' && ingress?.tls === undefined
}

/** Of a listener of many ports: who needs no inspection does not wait for it. */
export function exceptAt(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
  return ports.length === 0 ? filter : { ...filter, filterDisabled: anyOf(ports) }
}

export function onlyAt(filter: ListenerFilter, ports: readonly number[]): readonly ListenerFilter[] {
  return ports.length === 0 ? [] : [{ ...filter, filterDisabled: { notMatch: anyOf(ports) } }]
}

function anyOf(ports: readonly number[]): ListenerFilterChainMatchPredicate {
  const rules = ports.map((port) => ({ destinationPortRange: { start: port, end: port + 1 } }))
  // Envoy wants at least two in a set.
  return rules.length === 1 ? (rules[0] ?? {}) : { orMatch: { rules } }
}

/** Whether a client that says nothing may be served. */
export function hearsServerFirst(mode: WorkloadPort['tls']['mode'], protocol: WorkloadPort['protocol']): boolean {
  return mode !== 'strict' && (protocol === 'tcp' || protocol === 'auto')
}
