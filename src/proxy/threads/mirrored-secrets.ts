// Certificates, keys and roots in a data thread: copies of what the main thread's store holds, replaced whole when they change there.
// The main thread alone reads files and asks the CA; see secret-sender.ts.
// Invariant: values are never logged, and a key never arrives without its certificate.
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { KeyPair, SecretStore } from '../certs/secret-store.ts'
import type { CertificateSource, PeerValidation } from '../config/proxy-config.ts'
import type { SecretValues } from './protocol.ts'

type Trust = NonNullable<PeerValidation['trust']>

/** Equal for two sources that are the same; undefined: the configuration itself carries the value. */
export function pairKey(source: CertificateSource): string | undefined {
  if (source.kind === 'pem') return undefined
  return source.kind === 'files' ? `files ${source.chainPath} ${source.keyPath}` : `${source.kind} ${source.name}`
}

export function rootsKey(trust: Trust): string | undefined {
  if (trust.kind === 'pem') return undefined
  return trust.kind === 'file' ? `file ${trust.path}` : `${trust.kind} ${trust.name}`
}

export class MirroredSecrets implements SecretStore {
  readonly #pairs = new Map<string, Watchable<KeyPair | undefined>>()
  readonly #roots = new Map<string, Watchable<string | undefined>>()

  receive({ pairs, roots }: SecretValues): void {
    for (const [key, pair] of pairs) this.#pair(key).set(pair)
    for (const [key, pem] of roots) this.#root(key).set(pem)
  }

  keyPair(source: CertificateSource): ReadonlyWatchable<KeyPair | undefined> {
    const key = pairKey(source)
    if (key !== undefined) return this.#pair(key)
    return new Watchable<KeyPair | undefined>(source.kind === 'pem' ? { chainPem: source.chainPem, keyPem: source.keyPem } : undefined)
  }

  roots(trust: Trust): ReadonlyWatchable<string | undefined> {
    const key = rootsKey(trust)
    if (key !== undefined) return this.#root(key)
    return new Watchable<string | undefined>(trust.kind === 'pem' ? trust.pem : undefined)
  }

  #pair(key: string): Watchable<KeyPair | undefined> {
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    const made = new Watchable<KeyPair | undefined>(undefined, samePair)
    this.#pairs.set(key, made)
    return made
  }

  #root(key: string): Watchable<string | undefined> {
    const known = this.#roots.get(key)
    if (known !== undefined) return known
    const made = new Watchable<string | undefined>(undefined)
    this.#roots.set(key, made)
    return made
  }
}

function samePair(a: KeyPair | undefined, b: KeyPair | undefined): boolean {
  return a?.chainPem === b?.chainPem && a?.keyPem === b?.keyPem
}
