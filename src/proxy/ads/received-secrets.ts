// From secrets that the control plane sent to the store that TLS reads. Called whenever something of what is held has changed.
// Invariant: a secret that is held no more is forgotten; what comes over ADS never takes the place of the workload's own certificate,
// because it has names of its own in the store.
import { SECRET_TYPE } from '../../envoy/type-urls.ts'
import type { KeyPair } from '../certs/secret-store.ts'
import type { AdsState } from './ads-state.ts'
import type { ReceivedResource } from './resource-reader.ts'

/** Where they go. */
export interface SecretTarget {
  setReceivedPair(name: string, pair: KeyPair | undefined): void
  setReceivedRoots(name: string, pem: string | undefined): void
}

/** One per proxy. The result is called after every change. */
export function followSecrets(state: Pick<AdsState<ReceivedResource>, 'held'>, target: SecretTarget): () => void {
  let before = new Map<string, ReceivedResource>()
  return () => {
    const now = new Map<string, ReceivedResource>()
    for (const [name, { value }] of state.held(SECRET_TYPE)) {
      now.set(name, value)
      if (before.get(name) === value || value.kind !== 'secret') continue
      target.setReceivedPair(name, value.content.pair)
      target.setReceivedRoots(name, value.content.rootsPem)
    }
    for (const name of before.keys()) {
      if (now.has(name)) continue
      target.setReceivedPair(name, undefined)
      target.setReceivedRoots(name, undefined)
    }
    before = now
  }
}
