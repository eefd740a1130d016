// What two ends of a TLS connection call the protocol inside it (ALPN): Istio's names between sidecars, our own between our proxies.
// Read by xds/generate, which says what is offered and accepted, and by the proxy, which offers of it what it is about to speak.
// Invariant: a name that says HTTP/2 is never offered for HTTP/1.1, nor the other way round: who chose it would read the wrong protocol.

/** Between our proxies: HTTP/1.1, and each connection says once who its ends are. */
export const LATEEN_HTTP1 = 'lateen/1'
/** The same over HTTP/2. A stock Envoy knows HTTP/2 by the name 'h2' only, so it must not accept this one. */
export const LATEEN_HTTP2 = 'lateen/2'

export const HTTP1_ALPN: ReadonlySet<string> = new Set([LATEEN_HTTP1, 'istio-http/1.0', 'istio-http/1.1', 'http/1.0', 'http/1.1'])
export const HTTP2_ALPN: ReadonlySet<string> = new Set([LATEEN_HTTP2, 'istio-h2', 'h2'])

/** In a hello: a sidecar that is going to speak HTTP. */
export const MESH_HTTP_ALPN: readonly string[] = [LATEEN_HTTP1, LATEEN_HTTP2, 'istio-http/1.0', 'istio-http/1.1', 'istio-h2']
/** In a hello without one of those: a sidecar that is going to pass on octets, or does not say. */
export const MESH_OCTETS_ALPN: readonly string[] = ['istio', 'istio-peer-exchange']
/** In a hello: a sidecar, and not an application's own TLS. */
export const MESH_ALPN: readonly string[] = [...MESH_HTTP_ALPN, ...MESH_OCTETS_ALPN]

/** Of what a cluster offers, what goes with the protocol that is going to be spoken. Names of another control plane that say neither
 *  HTTP/1.1 nor HTTP/2 stay. */
export function alpnFor(speaks: 'http1' | 'http2' | 'octets', offered: readonly string[]): readonly string[] {
  const wrong = speaks === 'octets' ? [HTTP1_ALPN, HTTP2_ALPN] : speaks === 'http1' ? [HTTP2_ALPN] : [HTTP1_ALPN]
  return offered.filter((name) => !wrong.some((names) => names.has(name)))
}
