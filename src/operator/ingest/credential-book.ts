// Users' TLS credentials by namespace and name, read once when they come. Filled by the composition root from wherever Secrets are (files;
// a cluster's API), asked by xds/serve for gateways, and by those who write Findings.
// Invariant: a credential whose values have not changed stays the same object, so that nothing is sent for it.
import { contentHash } from '../../base/content-hash.ts'
import { type Credential, readCredential } from '../../identity/credential.ts'

export type SecretData = Readonly<Record<string, string>>

export class CredentialBook {
  readonly #known = new Map<string, { readonly hash: string; readonly credential: Credential }>()
  readonly #watchers = new Set<(namespaces: ReadonlySet<string>) => void>()

  /** Undefined: there is no such secret. */
  readonly credentialOf = (namespace: string, name: string): Credential | undefined => this.#known.get(`${namespace}/${name}`)?.credential

  /** @param key `namespace/name`. @param data undefined: it is gone. */
  set(key: string, data: SecretData | undefined): void {
    if (this.#take(key, data)) this.#tell(new Set([namespaceOf(key)]))
  }

  /** These and no others. */
  replace(all: ReadonlyMap<string, SecretData>): void {
    const gone = [...this.#known.keys()].filter((key) => !all.has(key))
    const changed = [...gone.map((key) => [key, undefined] as const), ...all].filter(([key, data]) => this.#take(key, data))
    if (changed.length > 0) this.#tell(new Set(changed.map(([key]) => namespaceOf(key))))
  }

  /** Told of the namespaces in which something has changed. The result ends it. */
  watch(changed: (namespaces: ReadonlySet<string>) => void): () => void {
    this.#watchers.add(changed)
    return () => void this.#watchers.delete(changed)
  }

  #take(key: string, data: SecretData | undefined): boolean {
    if (data === undefined) return this.#known.delete(key)
    const hash = contentHash(JSON.stringify(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1))))
    if (this.#known.get(key)?.hash === hash) return false
    this.#known.set(key, { hash, credential: readCredential(data) })
    return true
  }

  #tell(namespaces: ReadonlySet<string>): void {
    for (const watcher of this.#watchers) watcher(namespaces)
  }
}

function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}
