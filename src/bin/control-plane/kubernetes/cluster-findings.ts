// What is wrong beside users' objects, as Findings among those of reading, so that it goes where they go: status, Events, log, CLI.
// Opened by start.ts. Invariant: the state is the source's; the value is new only when the state or a Finding is.
import { isDeepStrictEqual } from 'node:util'
import { type Finding, finding, findingAt } from '../../../api/finding.ts'
import { type ReadonlyWatchable, Watchable } from '../../../base/watchable.ts'
import { ROOT_CONFIG_MAP } from '../../../ca/root-config-maps.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'
import type { KubeState } from '../../../operator/ingest/kube-state.ts'
import type { UnreadKind } from '../../../operator/ingest/kubernetes-source.ts'
import { type Credentials, credentialFindings, KINDS_OF_GATEWAYS } from '../gateway-credentials.ts'

export interface ClusterFindingsOptions {
  readonly source: ReadonlyWatchable<IngestState>
  readonly unread: ReadonlyWatchable<readonly UnreadKind[]>
  /** Namespaces whose root ConfigMap is not ours. */
  readonly foreignRoots: ReadonlyWatchable<readonly string[]>
  readonly credentials: Credentials
}

export interface ClusterFindings {
  readonly current: ReadonlyWatchable<IngestState>
  stop(): void
}

export function withClusterFindings({ source, unread, foreignRoots, credentials }: ClusterFindingsOptions): ClusterFindings {
  let ofCredentials: readonly Finding[] = []
  let before: KubeState | undefined
  let own: readonly Finding[] = []
  const look = (isSecretNew: boolean): IngestState => {
    const { state, findings } = source.value
    if (isSecretNew || KINDS_OF_GATEWAYS.some((kind) => before?.objects[kind] !== state.objects[kind]))
      ofCredentials = credentialFindings(state, credentials.credentialOf)
    before = state
    const now = [...ofCredentials, ...ofRoots(foreignRoots.value, state), ...ofKinds(unread.value)]
    if (!isDeepStrictEqual(own, now)) own = now
    return own.length === 0 ? source.value : joined(state, findings, own)
  }
  const joined = (state: KubeState, findings: readonly Finding[], mine: readonly Finding[]): IngestState => {
    if (last.findings !== findings || last.own !== mine) last = { findings, own: mine, all: [...mine, ...findings] }
    return { state, findings: last.all }
  }
  let last: { readonly findings: readonly Finding[]; readonly own: readonly Finding[]; readonly all: readonly Finding[] } = {
    findings: [],
    own: [],
    all: [],
  }
  const current = new Watchable(look(false), (a, b) => a.state === b.state && a.findings === b.findings)
  const update = (): void => current.set(look(false))
  const stops = [source.watch(update), unread.watch(update), foreignRoots.watch(update), credentials.watch(() => current.set(look(true)))]
  return {
    current,
    stop() {
      for (const stop of stops) stop()
    },
  }
}

function ofRoots(namespaces: readonly string[], { objects }: KubeState): readonly Finding[] {
  const byName = new Map([...objects.Namespace.values()].map((object) => [object.metadata.name, object]))
  return namespaces.map((namespace) => {
    const values = { namespace, name: ROOT_CONFIG_MAP }
    const object = byName.get(namespace)
    return object === undefined ? findingAt('LTN0501', undefined, '', values) : finding('LTN0501', object, '', values)
  })
}

function ofKinds(unread: readonly UnreadKind[]): readonly Finding[] {
  const missing = unread.filter(({ isMissing }) => isMissing).map(({ kind }) => kind)
  const others = unread.filter(({ isMissing }) => !isMissing)
  return [
    ...(missing.length === 0 ? [] : [findingAt('LTN0502', undefined, '', { kinds: missing.join(', ') })]),
    ...others.map(({ kind, because }) => findingAt('LTN0503', undefined, '', { kind, because })),
  ]
}
