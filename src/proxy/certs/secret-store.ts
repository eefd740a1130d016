// Where TLS takes its keys, certificates and roots from. Files and inline PEM are served as they are; the names 'default' (this
// workload's certificate) and 'ROOTCA' (the mesh's roots) are kept fresh by the certificate manager.
// Invariant: a value changes by being replaced whole; a key never arrives without its certificate.
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import type { CertificateSource, PeerValidation } from '../config/proxy-config.ts'

export interface KeyPair {
  /** Leaf first. */
  readonly chainPem: string
  readonly keyPem: string
}

export interface SecretStore {
  /** Undefined until it is known: a listener or cluster that needs it waits ("warming"). The same source gives the same watchable. */
  keyPair(source: CertificateSource): ReadonlyWatchable<KeyPair | undefined>
  roots(trust: NonNullable<PeerValidation['trust']>): ReadonlyWatchable<string | undefined>
}
