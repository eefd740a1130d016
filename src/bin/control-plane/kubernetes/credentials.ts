// Users' TLS credentials for gateways, from Secrets of the namespaces in which gateways ask for one: each namespace is watched from the
// first question on. What the control plane may not read, it does not have (Role of the chart).
// Invariant: the same object as long as a Secret has not changed, so that nothing is sent again.

import { isRecord } from '../../../api/record.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/log.ts'
import type { Random } from '../../../base/random.ts'
import { type Credential, readCredential } from '../../../identity/credential.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { type Informer, startInformer } from '../../../kube/informer.ts'
import { resourceOf } from '../../../kube/resource.ts'

export interface ClusterCredentials {
  credentialOf(namespace: string, name: string): Credential | undefined
  stop(): Promise<void>
}

export interface ClusterCredentialsOptions {
  readonly client: KubeClient
  /** Some have changed: gateways are to be looked at. */
  readonly changed: () => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Opaque and kubernetes.io/tls, and nothing else: tokens and registries' passwords are none of the mesh's business. */
const TYPES = new Set(['kubernetes.io/tls', 'Opaque'])

export function watchCredentials({ changed, ...parts }: ClusterCredentialsOptions): ClusterCredentials {
  const watched = new Map<string, Informer<Credential>>()
  const watch = (namespace: string): Informer<Credential> => {
    const informer = startInformer<Credential>({ ...parts, resource: resourceOf('Secret'), namespaces: [namespace], reduce: credentialIn })
    informer.watch(changed)
    watched.set(namespace, informer)
    return informer
  }
  return {
    credentialOf: (namespace, name) => (watched.get(namespace) ?? watch(namespace)).current.get(`${namespace}/${name}`),
    stop: async () => {
      await Promise.all([...watched.values()].map((informer) => informer.stop()))
    },
  }
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
