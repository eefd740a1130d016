// Credentials, kept for half a minute. Used by load-connection.ts and in-cluster.ts, whose sources are files and plugins.
// Invariant: a failure is never kept, and a refusal by the API server empties the cache.
import type { Clock } from '../base/clock.ts'
import { ignore } from '../base/errors.ts'
import type { KubeCredentials } from './connection.ts'

/** Files are read and plugins asked at most twice a minute, and at once after a refusal. */
const KEEP_MS = 30_000

export class CredentialsCache {
  readonly #clock: Clock
  readonly #load: (refused: boolean) => Promise<KubeCredentials>
  #loaded: { readonly atMs: number; readonly value: Promise<KubeCredentials> } | undefined

  constructor(clock: Clock, load: (refused: boolean) => Promise<KubeCredentials>) {
    this.#clock = clock
    this.#load = load
  }

  get(refused: boolean): Promise<KubeCredentials> {
    const nowMs = this.#clock.monotonicMs()
    if (!refused && this.#loaded !== undefined && nowMs - this.#loaded.atMs < KEEP_MS) return this.#loaded.value
    const loading = { atMs: nowMs, value: this.#load(refused) }
    this.#loaded = loading
    const forget = loading.value.catch(() => {
      if (this.#loaded === loading) this.#loaded = undefined
    })
    ignore(forget, 'the caller of get has the failure')
    return loading.value
  }
}
