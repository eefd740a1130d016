// x-forwarded-client-cert: who the verified peer is, as Envoy writes it, made once per connection (Envoy: mutateXfccRequestHeader).
// Invariant: what a peer that was not verified says about certificates never passes, unless the listener says always-forward-only.
import type { ForwardClientCert } from '../config/proxy-config.ts'
import type { PeerNames } from '../sockets/peer-names.ts'

export interface ClientCertPolicy {
  /** The client's own field travels as it came. */
  readonly keeps: boolean
  /** Our element is added; after the client's own value with 'append'. */
  readonly adds: 'nothing' | 'replace' | 'append'
}

export function clientCertPolicy(mode: ForwardClientCert['mode'], verified: boolean): ClientCertPolicy {
  if (mode === 'always-forward-only') return { keeps: true, adds: 'nothing' }
  if (!verified || mode === 'sanitize') return { keeps: false, adds: 'nothing' }
  if (mode === 'forward-only') return { keeps: true, adds: 'nothing' }
  return { keeps: false, adds: mode === 'sanitize-set' ? 'replace' : 'append' }
}

/** One element: By and Hash always, the others as configured, in Envoy's order. */
export function clientCertElement(details: ForwardClientCert, peer: PeerNames, localUri: string): string {
  const parts: string[] = []
  if (localUri !== '') parts.push(`By=${localUri}`)
  parts.push(`Hash=${peer.hash}`)
  if (details.subject) parts.push(`Subject="${peer.subject.replaceAll('"', '\\"')}"`)
  if (details.uri) parts.push(...(peer.uris.length > 0 ? peer.uris.map((uri) => `URI=${uri}`) : ['URI=']))
  if (details.dns) parts.push(...peer.dns.map((name) => `DNS=${name}`))
  return parts.join(';')
}
