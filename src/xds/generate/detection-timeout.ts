// How long an inbound listener waits for the bytes that tell TLS from plaintext. Used by the files that make inbound listeners.
// Invariant: a connection that says nothing goes on as plaintext, and so nowhere under STRICT: there is no chain for it.
import type { Listener } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'

export function detectionTimeout({
  detectionTimeoutMs,
}: MeshSettings): Pick<Listener, 'listenerFiltersTimeout' | 'continueOnListenerFiltersTimeout'> {
  return detectionTimeoutMs === undefined
    ? {}
    : { listenerFiltersTimeout: detectionTimeoutMs, ...(detectionTimeoutMs === 0 ? {} : { continueOnListenerFiltersTimeout: true }) }
}
