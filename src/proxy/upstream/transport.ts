// How the endpoints of a cluster are spoken to: plaintext, or TLS with one identity, one idea of who the peer must be, and one place
// for session tickets. Connections of different transports never share a pool.
// Invariant: a renewed certificate is used by new connections only; the old ones go on (DESIGN 4.8).
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import { alpnFor } from '../../envoy/alpn.ts'
import { presentedChain } from '../certs/presented-chain.ts'
import type { KeyPair, SecretStore } from '../certs/secret-store.ts'
import type { Cluster, Endpoint, UpstreamTls } from '../config/proxy-config.ts'

/** Text that is equal when two TLS settings mean the same: a config update that changes nothing keeps the pools. */
export function transportKey(tls: UpstreamTls | undefined): string {
  if (tls === undefined) return 'plaintext'
  const known = KEYS.get(tls)
  if (known !== undefined) return known
  const names = tls.validation.subjectAltNames.map(({ type, spec }) => ({ type, spec }))
  const key = JSON.stringify([
    tls.certificate,
    tls.validation.trust,
    names,
    tls.sni,
    tls.alpn,
    tls.minVersion,
    tls.maxVersion,
    tls.cipherSuites,
    tls.curves,
  ])
  KEYS.set(tls, key)
  return key
}

/** Always on: a list of Envoy's names only the suites of TLS 1.2. AES-128 first, as BoringSSL has it: the key schedule and the transcript of
 *  a handshake are then hashed with SHA-256, for which processors have instructions, and not with SHA-384. */
const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
const TLS12_SUITES = DEFAULT_CIPHERS.split(':').filter((name) => !name.startsWith('TLS_'))

/** For node:tls. @param tls12 undefined: those that Node has by default. */
export function cipherList(tls12: readonly string[] = TLS12_SUITES): string {
  return [...TLS13_SUITES, ...tls12].join(':')
}

const KEYS = new WeakMap<UpstreamTls, string>()

/** Envoy's transport_socket_matches: the first whose labels the endpoint carries; none: the cluster's own. */
export function tlsFor(cluster: Cluster, endpoint: Endpoint): UpstreamTls | undefined {
  for (const match of cluster.transportMatches) {
    if (Object.entries(match.labels).every(([name, value]) => endpoint.transportLabels[name] === value)) return match.tls
  }
  return cluster.tls
}

/** What a pool's connections speak; 'auto': what TLS agrees on. */
export type PoolProtocol = 'http1' | 'http2' | 'auto'

/** What to offer where requests leave as `protocol`: a server that chose HTTP/2 and got HTTP/1.1 would answer nothing. */
export function offeredAlpn(tls: UpstreamTls, protocol: PoolProtocol): readonly string[] {
  if (protocol === 'auto') return tls.alpn.length > 0 ? tls.alpn : ['h2', 'http/1.1']
  const names = alpnFor(protocol, tls.alpn)
  return protocol === 'http2' && names.length === 0 ? ['h2'] : names
}

/** What to offer where octets are passed on: nothing that has a sidecar read HTTP, unless that is all that was configured. */
function octetsAlpn(tls: UpstreamTls): readonly string[] {
  const names = alpnFor('octets', tls.alpn)
  return names.length > 0 ? names : tls.alpn
}

/** TLS towards one kind of peer. One per (cluster, transport key); endpoints keep their own tickets. */
export class TlsTransport {
  readonly tls: UpstreamTls
  readonly octetsAlpn: readonly string[]
  /** Rises with every renewal: a ticket of an older generation is not offered, it belongs to the old identity. */
  generation = 0
  readonly #keyPair: ReadonlyWatchable<KeyPair | undefined> | undefined
  readonly #roots: ReadonlyWatchable<string | undefined> | undefined
  readonly #stops: (() => void)[] = []
  #context: SecureContext | undefined

  constructor(tls: UpstreamTls, secrets: SecretStore) {
    this.tls = tls
    this.octetsAlpn = octetsAlpn(tls)
    this.#keyPair = tls.certificate === undefined ? undefined : secrets.keyPair(tls.certificate)
    this.#roots = tls.validation.trust === undefined ? undefined : secrets.roots(tls.validation.trust)
    const renew = (): void => {
      this.#context = undefined
      this.generation++
    }
    if (this.#keyPair !== undefined) this.#stops.push(this.#keyPair.watch(renew))
    if (this.#roots !== undefined) this.#stops.push(this.#roots.watch(renew))
  }

  /** Calls back once, when the certificate and the roots have come; the returned function stops waiting. */
  whenReady(ready: () => void): () => void {
    const stops: (() => void)[] = []
    const stop = (): void => {
      for (const each of stops) each()
    }
    const check = (): void => {
      if (this.secureContext() === undefined) return
      stop()
      ready()
    }
    for (const watched of [this.#keyPair, this.#roots]) if (watched !== undefined) stops.push(watched.watch(check))
    return stop
  }

  /** Undefined: the certificate or the roots are not known yet. */
  secureContext(): SecureContext | undefined {
    if (this.#context !== undefined) return this.#context
    const keyPair = this.#keyPair?.value
    const roots = this.#roots?.value
    if (this.#keyPair !== undefined && keyPair === undefined) return undefined
    if (this.#roots !== undefined && roots === undefined) return undefined
    this.#context = createSecureContext({
      minVersion: this.tls.minVersion,
      ...(this.tls.maxVersion === undefined ? {} : { maxVersion: this.tls.maxVersion }),
      ciphers: cipherList(this.tls.cipherSuites),
      ...(this.tls.curves === undefined ? {} : { ecdhCurve: this.tls.curves.join(':') }),
      ...(keyPair === undefined ? {} : { cert: presentedChain(keyPair.chainPem, roots), key: keyPair.keyPem }),
      // Without a trust setting Envoy verifies nothing; with one, only those roots count, never the system's.
      ca: roots ?? [],
    })
    return this.#context
  }

  /** Envoy: no trusted_ca means that the peer's certificate is not verified. */
  get verifies(): boolean {
    return this.#roots !== undefined
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }
}
