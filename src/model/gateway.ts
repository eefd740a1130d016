// What gateway workloads open to the outside (a Gateway), and what is bound to it (VirtualServices). Built by compile/gateways.ts and
// compile/virtual-services.ts; which workload serves what is decided in xds/view.
import type { L4Route } from './l4-route.ts'
import type { Origin } from './origin.ts'
import type { HttpRoute } from './traffic-route.ts'
import type { Visibility } from './visibility.ts'

export interface MeshGateway {
  readonly namespace: string
  readonly name: string
  /** Labels of the workloads that serve it, in any namespace; none: every gateway. */
  readonly selector: Readonly<Record<string, string>>
  readonly servers: readonly GatewayServer[]
  /** RFC 3339; empty counts as oldest. Where servers of two gateways meet on a port, the older has it. */
  readonly createdAt: string
  readonly origin: Origin
}

export interface GatewayServer {
  readonly port: number
  readonly portName: string
  readonly protocol: 'http' | 'https' | 'tls' | 'tcp'
  /** Undefined: every address. */
  readonly bind: string | undefined
  readonly hosts: readonly GatewayHost[]
  /** Plaintext requests are answered with a redirect to https. */
  readonly redirectsToHttps: boolean
  readonly tls: GatewayTls | undefined
  /** `spec.servers[0]`. */
  readonly field: string
}

export interface GatewayHost {
  /** Whose VirtualServices may bind; '*': any namespace's. */
  readonly namespace: string
  readonly host: string
}

export type GatewayTls =
  | { readonly mode: 'passthrough' | 'auto-passthrough' }
  /** The mesh's own certificates, and only clients of the mesh. */
  | { readonly mode: 'istio-mutual'; readonly versions: TlsVersions }
  | TerminatedTls

/** Ended here, with certificates that are not the mesh's. */
export interface TerminatedTls {
  readonly mode: 'simple' | 'mutual' | 'optional-mutual'
  readonly certificates: readonly CertificateRef[]
  /** Who signs clients; undefined: nobody is asked. */
  readonly authorities: AuthoritiesRef | undefined
  /** Names that clients may have; none: any. */
  readonly subjectAltNames: readonly string[]
  readonly versions: TlsVersions
  /** What only a stock Envoy checks of clients; undefined: nothing of it. */
  readonly pinned: PinnedClients | undefined
}

/** Any of the keys or certificates will do; none: any that the authorities signed. */
export interface PinnedClients {
  /** SHA-256 of public keys, in base64. */
  readonly keyHashes: readonly string[]
  /** SHA-256 of certificates, in hexadecimal digits. */
  readonly certificateHashes: readonly string[]
  /** A file that lists what was revoked. */
  readonly revocationPath: string | undefined
}

export interface TlsVersions {
  /** Undefined: the mesh's. */
  readonly min: '1.2' | '1.3' | undefined
  readonly max: '1.2' | '1.3'
  readonly cipherSuites: readonly string[]
  readonly curves: readonly string[]
}

export type CertificateRef =
  | { readonly kind: 'secret'; readonly name: string }
  | { readonly kind: 'files'; readonly chain: string; readonly key: string }

export type AuthoritiesRef =
  /** `isSaid`: the user named this secret; otherwise it is called after the certificate's, and that one may hold them instead. */
  { readonly kind: 'secret'; readonly name: string; readonly isSaid: boolean } | { readonly kind: 'file'; readonly path: string }

/** One VirtualService as one gateway applies it. */
export interface GatewayRoute {
  readonly hosts: readonly string[]
  readonly http: readonly HttpRoute[]
  readonly l4: readonly L4Route[]
  readonly visibility: Visibility
  readonly origin: Origin
}
