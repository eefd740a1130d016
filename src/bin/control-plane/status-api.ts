// What the CLI and the supervisor may ask over the socket in the state folder, and the answers. standalone/mesh-api.ts asks. In a cluster
// the CLI asks what is only read (`readRoutes`), on the pod's loopback (docs/decisions/status-over-port-forward.md).
// The file system is the authentication (folder 0700, socket 0600): whoever may read the folder has the root's key anyway.
//   GET  /v1/version     { version, pid, dir, state, xds: {host, port}, monitoring: {host, port} }
//   GET  /v1/addresses   { workloads: LocalWorkload[], addresses: AddressPlan }
//   GET  /v1/proxies     { revision, proxies: ClientStatus[] }
//   GET  /v1/objects     { objects }              ?kind= &namespace= &name=
//   GET  /v1/findings    { findings, total, problems }   the gravest, at most a thousand; `total` says how many there are
//   POST /v1/apply       { text, name } -> { changes, findings }; 422 when the text has errors and nothing was taken
//   POST /v1/delete      { objects: [{ kind, namespace, name }] } -> { results: [{ object, deleted, reason?, inForceAgain? }] }; 409 when one was not deleted
//   POST /v1/join-token  { namespace, serviceAccount } -> { token, identity }
//   POST /v1/ready       { ready: ['namespace/instance'] } -> {}
import { type Finding, hasErrors } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { findKind } from '../../api/kinds.ts'
import type { ObjectRef } from '../../api/object-meta.ts'
import type { JoinTokens } from '../../ca/join-tokens.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { ConfigSource } from '../../operator/ingest/config-source.ts'
import { allObjects } from '../../operator/ingest/kube-state.ts'
import type { XdsServer } from '../../xds/serve/ads-server.ts'
import type { CompileClient } from './compile-client.ts'
import { findingsAbout, type ShownFindings, shownFindings } from './current-findings.ts'
import type { Answer, Question, Routes } from './http-json.ts'
import type { MeshLoop } from './mesh-loop.ts'
import type { RecordedControlPlane } from './state-files.ts'

export interface ReadApiOptions {
  readonly about: () => Readonly<Record<string, unknown>>
  readonly source: Pick<ConfigSource, 'locate'>
  readonly loop: MeshLoop
  readonly compiler: Pick<CompileClient, 'analyze'>
  readonly xds: Pick<XdsServer, 'statuses'>
  /** What is wrong with the control plane's own files. */
  readonly ownFindings: () => readonly Finding[]
}

export interface StatusApiOptions extends ReadApiOptions {
  readonly about: () => Readonly<Record<string, unknown>> & RecordedControlPlane & { readonly dir: string; readonly state: string }
  readonly trustDomain: string
  readonly source: ConfigSource
  readonly tokens: JoinTokens
  readonly recordReady: (ready: ReadonlySet<string>) => void
}

/** A sidecar joins within a second of its start; minutes allow for a machine that is swapping. */
const JOIN_TOKEN_VALID_MS = 10 * 60_000
const MAX_PROBLEMS = 1000

/** Nothing of it changes anything, and no key is in it. */
export function readRoutes(options: ReadApiOptions): Routes {
  const { loop, xds } = options
  const findingsNow = shownFindings(options)
  return {
    'GET /v1/version': () => fine(options.about()),
    'GET /v1/proxies': () => fine({ revision: loop.current?.state.revision ?? 0, proxies: xds.statuses() }),
    'GET /v1/objects': ({ query }) => objects(options, query),
    'GET /v1/findings': async () =>
      fine({ ...withOwn(options.ownFindings(), await findingsNow()), problems: loop.current?.problems.slice(0, MAX_PROBLEMS) ?? [] }),
  }
}

export function statusRoutes(options: StatusApiOptions): Routes {
  const { loop, source } = options
  return {
    ...readRoutes(options),
    'GET /v1/addresses': () => {
      const { current } = loop
      if (current === undefined) return { status: 503, body: { message: 'the configuration has not been read yet' } }
      return fine({ workloads: [...current.state.objects.LocalWorkload.values()], addresses: current.addresses })
    },
    'POST /v1/apply': async ({ body }) => {
      if (!isRecord(body) || typeof body.text !== 'string') return wrong('{ text, name } is expected')
      const outcome = await source.apply(body.text, typeof body.name === 'string' ? body.name : 'stdin')
      if (hasErrors(outcome.findings) && outcome.changes.length === 0) return { status: 422, body: outcome }
      await loop.refresh()
      const compiled = await findingsAbout(
        outcome.changes.map(({ object }) => object),
        options,
      )
      return fine({ changes: outcome.changes, findings: unique([...outcome.findings, ...compiled]) })
    },
    'POST /v1/delete': ({ body }) => remove(options, body),
    'POST /v1/join-token': (question) => joinToken(options, question),
    'POST /v1/ready': ({ body }) => {
      if (!isRecord(body) || !Array.isArray(body.ready)) return wrong('{ ready: [names] } is expected')
      const ready = new Set(body.ready.filter((key) => typeof key === 'string'))
      options.recordReady(ready)
      loop.setReady(ready)
      return fine({})
    },
  }
}

function objects({ loop }: Pick<ReadApiOptions, 'loop'>, query: URLSearchParams): Answer {
  const word = query.get('kind')
  const kind = word === null ? undefined : findKind(word)
  if (kind !== undefined && kind.info === undefined) {
    return wrong(`there is no kind '${word}'${kind.suggestion === undefined ? '' : `; did you mean '${kind.suggestion}'?`}`)
  }
  const [namespace, name] = [query.get('namespace'), query.get('name')]
  const fits = (object: AnyApiObject): boolean =>
    (kind?.info === undefined || object.kind === kind.info.kind) &&
    (namespace === null || object.metadata.namespace === namespace) &&
    (name === null || object.metadata.name === name)
  const items = loop.current === undefined ? [] : [...allObjects(loop.current.state)].filter(fits)
  return { status: 200, body: {}, list: { name: 'objects', items } }
}

async function remove({ source, loop }: StatusApiOptions, body: unknown): Promise<Answer> {
  const refs = isRecord(body) && Array.isArray(body.objects) ? body.objects.filter(isRef) : []
  if (refs.length === 0) return wrong('{ objects: [{ kind, namespace, name }] } is expected')
  const results: { readonly object: ObjectRef; readonly deleted: boolean; readonly reason?: string; readonly inForceAgain?: string }[] = []
  for (const object of refs) {
    const deleted = await source.delete(object)
    if (!deleted.ok) results.push({ object, deleted: false, reason: deleted.problems[0]?.message ?? '' })
    else results.push({ object, deleted: true, ...(deleted.value === undefined ? {} : { inForceAgain: deleted.value }) })
  }
  await loop.refresh()
  const refusals = results.flatMap(({ reason }) => reason ?? [])
  return refusals.length === 0 ? fine({ results }) : { status: 409, body: { message: refusals.join('; '), results } }
}

async function joinToken({ tokens, trustDomain }: StatusApiOptions, { body }: Question): Promise<Answer> {
  if (!isRecord(body) || typeof body.namespace !== 'string' || typeof body.serviceAccount !== 'string') {
    return wrong('{ namespace, serviceAccount } is expected')
  }
  const identity = workloadSpiffeId({ trustDomain, namespace: body.namespace, serviceAccount: body.serviceAccount })
  if (!identity.ok) return wrong(identity.problems[0]?.message ?? 'not an identity')
  const token = await tokens.mint(identity.value, JOIN_TOKEN_VALID_MS)
  if (!token.ok) return { status: 429, body: { message: token.problems[0]?.message } }
  return fine({ token: token.value, identity: identity.value })
}

/** The mesh's certificates come first: whatever else is wrong is less urgent. */
function withOwn(own: readonly Finding[], { findings, total }: ShownFindings): ShownFindings {
  return { findings: [...own, ...findings], total: own.length + total }
}

function fine(body: unknown): Answer {
  return { status: 200, body }
}

function wrong(message: string): Answer {
  return { status: 400, body: { message } }
}

function unique(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((found) => [`${found.code} ${found.path} ${found.message}`, found])).values()]
}

function isRef(value: unknown): value is ObjectRef {
  return isRecord(value) && typeof value.kind === 'string' && typeof value.namespace === 'string' && typeof value.name === 'string'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
