// Users' TLS credentials for gateways, from Secrets of the namespaces in which gateways ask for one: each namespace is watched from the
// first question on. What the control plane may not read, it does not have (Role of the chart); what a gateway's own account may not read,
// that gateway does not get (secret-rights.ts). Opened by start.ts.
// Invariants: the same object as long as a Secret has not changed, so that nothing is sent again; 'pending' ends: with content, with a refusal,
// or with 'there is none'.

import { isRecord } from '../../../api/record.ts'
import type { Clock } from '../../../base/clock.ts'
import { type Logger, silentLogger } from '../../../base/log.ts'
import type { Random } from '../../../base/random.ts'
import { type Credential, readCredential } from '../../../identity/credential.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { type Informer, startInformer } from '../../../kube/informer.ts'
import { resourceOf } from '../../../kube/resource.ts'
import type { Credentials } from '../gateway-credentials.ts'
import { createSecretRights } from './secret-rights.ts'

export interface ClusterCredentials extends Credentials {
  stop(): Promise<void>
}

export interface ClusterCredentialsOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Opaque and kubernetes.io/tls, and nothing else: tokens and registries' passwords are none of the mesh's business. */
const TYPES = new Set(['kubernetes.io/tls', 'Opaque'])

export function watchCredentials(options: ClusterCredentialsOptions): ClusterCredentials {
  const watched = new Map<string, NamespaceSecrets>()
  const watchers = new Set<(namespaces: ReadonlySet<string>) => void>()
  const tell = (namespace: string): void => {
    for (const watcher of [...watchers]) watcher(new Set([namespace]))
  }
  const rights = createSecretRights({ ...options, changed: tell })
  const secretsOf = (namespace: string): NamespaceSecrets => {
    const known = watched.get(namespace) ?? new NamespaceSecrets(namespace, options, () => tell(namespace))
    watched.set(namespace, known)
    return known
  }
  return {
    credentialOf(namespace, name, serviceAccount) {
      const secrets = secretsOf(namespace)
      if (secrets.unread !== undefined) return { refused: secrets.unread }
      // Before anything is looked up: who may not read a Secret learns no more of it than that.
      const right = rights.mayRead(namespace, name, serviceAccount)
      return right === 'allowed' ? secrets.answerOf(name) : right
    },
    watch(changed) {
      watchers.add(changed)
      return () => void watchers.delete(changed)
    },
    async stop() {
      rights.stop()
      await Promise.all([...watched.values()].map((each) => each.stop()))
    },
  }
}

/** The Secrets of one namespace, or why there are none. */
class NamespaceSecrets {
  readonly #namespace: string
  readonly #informer: Informer<Credential>
  readonly #log: Logger
  readonly #changed: () => void
  #unread: string | undefined
  #isSynced = false

  constructor(namespace: string, { client, clock, random, log }: ClusterCredentialsOptions, changed: () => void) {
    this.#namespace = namespace
    this.#log = log
    this.#changed = changed
    this.#informer = startInformer<Credential>({
      ...{ client, clock, random },
      // A right that is missing is said once, here, and not at every attempt.
      log: silentLogger,
      resource: resourceOf('Secret'),
      namespaces: [namespace],
      reduce: credentialIn,
      onHealth: () => this.#look(),
    })
    this.#informer.watch(changed)
  }

  /** Why they cannot be read; undefined: they can, or it is not known yet. */
  get unread(): string | undefined {
    return this.#unread
  }

  answerOf(name: string): Credential | 'pending' | undefined {
    return this.#isSynced ? this.#informer.current.get(`${this.#namespace}/${name}`) : 'pending'
  }

  stop(): Promise<void> {
    return this.#informer.stop()
  }

  /** What was read once stays in force, whatever happens later. */
  #look(): void {
    const { synced, lastFailure } = this.#informer.health
    const unread = synced || lastFailure === undefined ? undefined : whyUnread(this.#namespace, lastFailure.reason, lastFailure.message)
    if (unread === this.#unread && synced === this.#isSynced) return
    this.#unread = unread
    this.#isSynced = synced
    if (unread !== undefined)
      this.#log.warn('Secrets cannot be read, so gateways there have no certificates of their users', {
        namespace: this.#namespace,
        because: unread,
      })
    this.#changed()
  }
}

function whyUnread(namespace: string, reason: string, message: string): string {
  return reason === 'Forbidden'
    ? `may not be read by the control plane: add '${namespace}' to the chart's value secrets.namespaces`
    : `cannot be read now: ${message}`
}

/** Undefined: nothing in it is a credential. */
function credentialIn(object: { readonly [field: string]: unknown }): Credential | undefined {
  const { type, data } = object
  if (typeof type !== 'string' || !TYPES.has(type) || !isRecord(data)) return undefined
  const values: Record<string, string> = {}
  for (const [key, value] of Object.entries(data)) if (typeof value === 'string') values[key] = Buffer.from(value, 'base64').toString()
  const credential = readCredential(values)
  const isAny = credential.pair !== undefined || credential.pairProblem !== undefined || credential.authoritiesPem !== undefined
  return isAny || credential.authoritiesProblem !== undefined ? credential : undefined
}
