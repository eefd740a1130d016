// The two Secrets of the authority: `lateen-ca-secret`, the mesh's own root and the record that all replicas follow, and the user's `cacerts`.
// Used by cluster-authority.ts. Needs, in the system namespace only: get, list and watch of these two names, create, and patch of the first.
// Invariant: a write names the version that it was decided on, so that two leaders of one moment cannot undo each other's step.
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KubeClient } from '../kube/client.ts'
import { type Informer, startInformer } from '../kube/informer.ts'
import type { KubeObject } from '../kube/object.ts'
import { resourceOf } from '../kube/resource.ts'
import { type AuthorityRecord, parseAuthorityRecord } from './authority-record.ts'
import { CA_FILE_NAMES, type CaFiles } from './ca-set.ts'

export const CA_SECRET = 'lateen-ca-secret'
export const CACERTS_SECRET = 'cacerts'
export const FIELD_MANAGER = 'lateen-control-plane'
/** The key beside the PEM files. */
const RECORD_KEY = 'record.json'
const SECRET_TYPE = 'lateen.dev/ca-root'

interface SecretContent {
  /** Undefined when it holds none of the names that are read. */
  readonly files: CaFiles | undefined
  readonly record: AuthorityRecord | undefined
  readonly resourceVersion: string | undefined
}

export interface AuthoritySecretsOptions {
  readonly client: KubeClient
  readonly namespace: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface AuthoritySecrets {
  readonly synced: Promise<unknown>
  readonly isSynced: boolean
  /** The same maps as long as the Secrets do not change. */
  files(): { readonly cacerts: CaFiles | undefined; readonly own: CaFiles | undefined }
  record(): AuthorityRecord | undefined
  /** @param files the mesh's own root. Why it could not be written, or undefined when it was, or somebody was faster. */
  write(files: CaFiles | undefined, record: AuthorityRecord | undefined): Promise<string | undefined>
  watch(listener: () => void): () => void
  stop(): Promise<void>
}

export function watchAuthoritySecrets(options: AuthoritySecretsOptions): AuthoritySecrets {
  const { client, namespace, clock, random, log } = options
  const resource = resourceOf('Secret')
  const named = (name: string): Informer<SecretContent> =>
    startInformer({
      ...{ client, resource, clock, random, log, namespaces: [namespace] },
      fieldSelector: `metadata.name=${name}`,
      reduce: readSecret,
    })
  const [own, cacerts] = [named(CA_SECRET), named(CACERTS_SECRET)]
  const ownNow = (): SecretContent | undefined => own.current.get(`${namespace}/${CA_SECRET}`)
  return {
    synced: Promise.all([own.synced, cacerts.synced]),
    get isSynced() {
      return own.health.synced && cacerts.health.synced
    },
    files: () => ({ cacerts: cacerts.current.get(`${namespace}/${CACERTS_SECRET}`)?.files, own: ownNow()?.files }),
    record: () => ownNow()?.record,
    async write(files, record) {
      const data = encode([...(files ?? []), ...(record === undefined ? [] : [[RECORD_KEY, Buffer.from(JSON.stringify(record))] as const])])
      const present = ownNow()
      const resourceVersion = present?.resourceVersion
      const labels = { 'app.kubernetes.io/managed-by': 'lateen' }
      const answer =
        present === undefined || resourceVersion === undefined
          ? await client.create(
              resource,
              { metadata: { name: CA_SECRET, namespace, labels }, type: SECRET_TYPE, data },
              { fieldManager: FIELD_MANAGER },
            )
          : await client.patch(
              resource,
              { name: CA_SECRET, namespace },
              { type: 'merge', body: { metadata: { resourceVersion }, data } },
              { fieldManager: FIELD_MANAGER },
            )
      // Somebody was faster: the informer brings what he wrote, and that is followed.
      if (answer.ok || answer.failure.status === 409) return undefined
      return answer.failure.message
    },
    watch(listener) {
      const stops = [own.watch(listener), cacerts.watch(listener)]
      return () => {
        for (const stop of stops) stop()
      }
    },
    async stop() {
      await Promise.all([own.stop(), cacerts.stop()])
    },
  }
}

function readSecret({ data, metadata }: KubeObject): SecretContent {
  const files = new Map<string, Uint8Array>()
  let record: AuthorityRecord | undefined
  for (const [name, value] of Object.entries(typeof data === 'object' && data !== null ? data : {})) {
    if (typeof value !== 'string') continue
    const bytes = Buffer.from(value, 'base64')
    if (name === RECORD_KEY) record = parseAuthorityRecord(bytes.toString())
    else if (CA_FILE_NAMES.includes(name)) files.set(name, bytes)
  }
  return { files: files.size === 0 ? undefined : files, record, resourceVersion: metadata.resourceVersion }
}

function encode(all: readonly (readonly [string, Uint8Array])[]): Readonly<Record<string, string>> {
  return Object.fromEntries(all.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]))
}
