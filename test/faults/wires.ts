// What a drill is spoken in, on both sides of the proxy: one row per wire. A drill is written once and takes the wire as a value.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { TestCa, type TestCertificate } from '../harness/certificates.ts'

export interface Wire {
  readonly name: string
  readonly protocol: 'http1' | 'http2'
  /** Mutual TLS, from the client and to the upstream. */
  readonly tls: boolean
}

export const HTTP1: Wire = { name: 'HTTP/1.1', protocol: 'http1', tls: false }
export const HTTP2: Wire = { name: 'HTTP/2', protocol: 'http2', tls: false }
export const MUTUAL_HTTP1: Wire = { name: 'HTTP/1.1 over mTLS', protocol: 'http1', tls: true }
export const MUTUAL_HTTP2: Wire = { name: 'HTTP/2 over mTLS', protocol: 'http2', tls: true }
export const WIRES: readonly Wire[] = [HTTP1, HTTP2, MUTUAL_HTTP1, MUTUAL_HTTP2]

export const SERVER_ID = 'spiffe://cluster.local/ns/default/sa/echo'
const CLIENT_ID = 'spiffe://cluster.local/ns/default/sa/client'
const PROXY_ID = 'spiffe://cluster.local/ns/default/sa/drill'

/** One certificate per role, as files for the proxy and as text for who speaks TLS in a test. */
export class Identities {
  readonly ca = new TestCa()
  readonly client: TestCertificate = this.ca.issue(CLIENT_ID)
  readonly server: TestCertificate = this.ca.issue(SERVER_ID)
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    const proxy = this.ca.issue(PROXY_ID)
    writeFileSync(this.#file('root.pem'), this.ca.rootPem)
    writeFileSync(this.#file('proxy.pem'), proxy.chainPem)
    writeFileSync(this.#file('proxy.key'), proxy.keyPem, { mode: 0o600 })
    // Where backend-program.ts looks.
    writeFileSync(this.#file('backend.pem'), this.server.chainPem)
    writeFileSync(this.#file('backend.key'), this.server.keyPem, { mode: 0o600 })
  }

  #file(name: string): string {
    return path.join(this.folder, name)
  }

  /** A transport socket of a cluster or of a filter chain. */
  transportSocket(side: 'Upstream' | 'Downstream', protocol: Wire['protocol']): Record<string, unknown> {
    const trust = { trusted_ca: { filename: this.#file('root.pem') } }
    const name = { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: SERVER_ID } }] }
    const common = {
      alpn_protocols: [protocol === 'http2' ? 'h2' : 'http/1.1'],
      tls_certificates: [{ certificate_chain: { filename: this.#file('proxy.pem') }, private_key: { filename: this.#file('proxy.key') } }],
      validation_context: side === 'Upstream' ? { ...trust, ...name } : trust,
    }
    return {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${side}TlsContext`,
        common_tls_context: common,
        ...(side === 'Upstream' ? { sni: 'echo.test' } : { require_client_certificate: true }),
      },
    }
  }
}

/** The part of a cluster that says how to speak to it. @param http2 its `http2_protocol_options`. */
export function clusterOf(wire: Wire, identities: Identities | undefined, http2: object = {}): Record<string, unknown> {
  const protocol = {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: http2 },
      },
    },
  }
  return {
    ...(wire.protocol === 'http2' ? protocol : {}),
    ...(identities === undefined ? {} : { transport_socket: identities.transportSocket('Upstream', wire.protocol) }),
  }
}
