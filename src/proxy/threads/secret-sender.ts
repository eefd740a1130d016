// The main thread's half of the data threads' secrets: finds out which a configuration uses, and tells the threads of every change.
// Made by threaded-data-plane.ts. Invariant: a thread is told of a secret before it is told of the configuration that uses it.
import { WORKLOAD_SECRET } from '../../envoy/names.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { CertificateSource, DownstreamTls, PeerValidation, ProxyConfig, UpstreamTls } from '../config/proxy-config.ts'
import { pairKey, rootsKey } from './mirrored-secrets.ts'
import type { SecretValues } from './protocol.ts'

export class SecretSender {
  readonly #store: SecretStore
  readonly #tell: (values: SecretValues) => void
  readonly #pairs = new Map<string, ReturnType<SecretStore['keyPair']>>()
  readonly #roots = new Map<string, ReturnType<SecretStore['roots']>>()
  readonly #stops: (() => void)[] = []

  /** @param tell told of every change from now on. */
  constructor(store: SecretStore, tell: (values: SecretValues) => void) {
    this.#store = store
    this.#tell = tell
    // Also without TLS: metrics name the workload by it.
    this.#usePair({ kind: 'secret', name: WORKLOAD_SECRET })
  }

  /** Everything that is known, for a thread that starts. */
  get present(): SecretValues {
    return {
      pairs: [...this.#pairs].map(([key, { value }]) => [key, value] as const),
      roots: [...this.#roots].map(([key, { value }]) => [key, value] as const),
    }
  }

  /** Before the configuration is sent: whatever it uses that was not in use yet is told now. */
  use(config: ProxyConfig): void {
    for (const { tls, transportMatches } of config.clusters.values()) {
      for (const each of [tls, ...transportMatches.map((match) => match.tls)]) this.#useTls(each)
    }
    for (const { filterChains, defaultFilterChain } of config.listeners.values()) {
      for (const chain of filterChains) this.#useTls(chain.tls)
      this.#useTls(defaultFilterChain?.tls)
    }
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }

  #useTls(tls: UpstreamTls | DownstreamTls | undefined): void {
    if (tls?.certificate !== undefined) this.#usePair(tls.certificate)
    for (const each of tls?.otherCertificates ?? []) this.#usePair(each)
    if (tls?.validation.trust !== undefined) this.#useRoots(tls.validation.trust)
  }

  #usePair(source: CertificateSource): void {
    const key = pairKey(source)
    if (key === undefined || this.#pairs.has(key)) return
    const pair = this.#store.keyPair(source)
    this.#pairs.set(key, pair)
    this.#tell({ pairs: [[key, pair.value]], roots: [] })
    this.#stops.push(pair.watch((value) => this.#tell({ pairs: [[key, value]], roots: [] })))
  }

  #useRoots(trust: NonNullable<PeerValidation['trust']>): void {
    const key = rootsKey(trust)
    if (key === undefined || this.#roots.has(key)) return
    const roots = this.#store.roots(trust)
    this.#roots.set(key, roots)
    this.#tell({ pairs: [], roots: [[key, roots.value]] })
    this.#stops.push(roots.watch((value) => this.#tell({ pairs: [], roots: [[key, value]] })))
  }
}
