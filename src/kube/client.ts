// The Kubernetes client: paths, verbs, JSON, failures as values. Made once by bin; used by informers, leases, writers, and by their users.
// Invariant: nothing here throws for what a server, a network or a right may do; a caller decides by `failure.reason`.
import type { IncomingHttpHeaders } from 'node:http'
import { isRecord } from '../api/record.ts'
import { type Clock, delay } from '../base/clock.ts'
import type { KubeConnection } from './connection.ts'
import { failed, failureOf, failureOfAnswer, type KubeFailure, type KubeResult, type What } from './failure.ts'
import { type KubeDraft, type KubeObject, kubeObject } from './object.ts'
import { apiVersionOf, describe, type Place, pathOf, type Resource, resourceOf } from './resource.ts'
import { createTransport, type Exchange, readBody, type Transport } from './transport.ts'
import { readWatch, type WatchEvent } from './watch-stream.ts'

export interface ObjectPlace {
  readonly name: string
  /** Needed for kinds inside namespaces. */
  readonly namespace?: string | undefined
  /** `status`, `scale`. */
  readonly subresource?: string | undefined
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

export interface WriteOptions extends RequestOptions {
  readonly fieldManager?: string
  readonly dryRun?: boolean
  /** 'Strict' refuses unknown fields instead of dropping them. */
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict'
}

/** `merge`: RFC 7386. `json`: RFC 6902. `apply`: server-side apply, for which the options must name a fieldManager. */
export type Patch =
  | { readonly type: 'merge'; readonly body: unknown }
  | { readonly type: 'json'; readonly body: readonly JsonPatchOperation[] }
  | { readonly type: 'apply'; readonly body: KubeDraft; readonly fieldManager: string; readonly force?: boolean }

export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'test' | 'move' | 'copy'
  readonly path: string
  readonly from?: string
  readonly value?: unknown
}

export interface DeleteOptions extends RequestOptions {
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan'
  readonly gracePeriodSeconds?: number
  /** Delete only this very object: not its successor of the same name. */
  readonly uid?: string
  readonly resourceVersion?: string
}

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

export interface ListOptions extends Selection, RequestOptions {
  readonly limit?: number | undefined
  readonly continueToken?: string | undefined
  readonly resourceVersion?: string | undefined
  readonly maxBodyBytes?: number | undefined
}

export interface KubePage {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
  /** Present when there are more pages. */
  readonly continueToken?: string
  /** As it came over the wire: who lists much chooses page sizes by it. */
  readonly bytes: number
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string
  /** After this the server ends the watch. */
  readonly timeoutSeconds: number
  readonly signal?: AbortSignal | undefined
  readonly onOpen?: () => void
  /** As many events as came in one piece. */
  readonly onEvents: (events: readonly WatchEvent[]) => void
}

export interface KubeClient {
  readonly connection: KubeConnection
  get(resource: Resource, place: ObjectPlace, options?: RequestOptions): Promise<KubeResult<KubeObject>>
  /** One page. */
  list(resource: Resource, options?: ListOptions): Promise<KubeResult<KubePage>>
  create(resource: Resource, object: KubeDraft, options?: WriteOptions): Promise<KubeResult<KubeObject>>
  /** The object must carry the resourceVersion that it was read with; 'Conflict' when somebody was faster. */
  replace(
    resource: Resource,
    object: KubeDraft,
    options?: WriteOptions & { readonly subresource?: string },
  ): Promise<KubeResult<KubeObject>>
  patch(resource: Resource, place: ObjectPlace, patch: Patch, options?: WriteOptions): Promise<KubeResult<KubeObject>>
  delete(resource: Resource, place: ObjectPlace, options?: DeleteOptions): Promise<KubeResult<undefined>>
  /** Runs until the server ends it (undefined), something breaks or the signal aborts (a failure). */
  watch(resource: Resource, options: WatchOptions): Promise<KubeFailure | undefined>
  /** A token of a service account (TokenRequest): for tests and tools; pods get theirs from the kubelet. */
  createToken(
    account: { readonly namespace: string; readonly name: string },
    token: { readonly audiences: readonly string[]; readonly expirationSeconds: number },
    options?: RequestOptions,
  ): Promise<KubeResult<string>>
  /** GET of any path: `/version`, `/readyz`. JSON when it is JSON, else text. */
  raw(path: string, options?: RequestOptions): Promise<KubeResult<unknown>>
  /** Ends idle connections; requests under way fail. */
  close(): void
}

export interface KubeClientOptions {
  readonly clock: Clock
  readonly userAgent?: string
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 30_000
/** etcd takes objects of 1.5 MiB; JSON with escapes and managedFields may be a few times larger. */
const MAX_OBJECT_BYTES = 8 * 1024 * 1024
/** Parsing blocks the loop for about 10 ms per MB: a larger page is refused and asked for again in smaller parts. */
export const MAX_PAGE_BYTES = 16 * 1024 * 1024
/** The API server asks for patience (429, or 5xx with Retry-After): so often, and no longer than this at a time. */
const MAX_PATIENCE = { attempts: 4, waitMs: 10_000 } as const

export function createKubeClient(connection: KubeConnection, options: KubeClientOptions): KubeClient {
  const transport = createTransport(connection, options.clock, options.userAgent ?? 'lateen')
  const http = new JsonOverHttp(transport, options.clock, options.timeoutMs ?? TIMEOUT_MS)
  return {
    connection,
    get: (resource, place, request) => http.object(resource, { ...place, verb: 'get', method: 'GET' }, request),
    list: (resource, list = {}) => listPage(http, resource, list),
    create: (resource, object, write) =>
      http.object(
        resource,
        {
          verb: 'create',
          method: 'POST',
          namespace: object.metadata.namespace,
          title: object.metadata.name,
          query: writeQuery(write),
          body: json(named(object, resource)),
        },
        write,
      ),
    replace: (resource, object, write) =>
      http.object(
        resource,
        {
          verb: 'replace',
          method: 'PUT',
          namespace: object.metadata.namespace,
          name: object.metadata.name,
          subresource: write?.subresource,
          query: writeQuery(write),
          body: json(named(object, resource)),
        },
        write,
      ),
    patch: (resource, place, patch, write) =>
      http.object(
        resource,
        {
          ...place,
          verb: `patch (${patch.type})`,
          method: 'PATCH',
          query: { ...writeQuery(write), ...patchQuery(patch) },
          body: patchBody(patch, resource),
        },
        write,
      ),
    delete: (resource, place, request) => deleteObject(http, resource, place, request),
    watch: (resource, watch) => watchResource(transport, options, resource, watch),
    createToken: (account, token, request) => createToken(http, account, token, request),
    raw: (path, request) => http.any(`get ${path}`, path, request),
    close: () => transport.close(),
  }
}

type Query = Readonly<Record<string, string | undefined>>

interface ObjectRequest extends Place {
  readonly verb: string
  readonly method: Exchange['method']
  readonly query?: Query
  readonly body?: Exchange['body'] | undefined
  /** The name for messages when the path carries none (create). */
  readonly title?: string | undefined
}

class JsonOverHttp {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #timeoutMs: number

  constructor(transport: Transport, clock: Clock, timeoutMs: number) {
    this.#transport = transport
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  async object(resource: Resource, request: ObjectRequest, options: RequestOptions = {}): Promise<KubeResult<KubeObject>> {
    const { namespace, name, subresource, verb, method, title, query = {}, body } = request
    const what = `${verb} ${describe(resource, { namespace, name: name ?? title, subresource })}`
    const path = pathOf(resource, { namespace, name, subresource }) + queryText(query)
    const answer = await this.send({ what, method, path, body }, options, MAX_OBJECT_BYTES)
    if (!answer.ok) return answer
    const object = kubeObject(answer.value.json, resource)
    return object === undefined ? failed(malformed(what)) : { ok: true, value: object }
  }

  async any(what: What, path: string, options: RequestOptions = {}): Promise<KubeResult<unknown>> {
    const answer = await this.send({ what, method: 'GET', path, accept: 'application/json, */*' }, options, MAX_OBJECT_BYTES, true)
    return answer.ok ? { ok: true, value: answer.value.json } : answer
  }

  /** Sends, waits when the API server asks for it, and reads the JSON of a 2xx. */
  async send(
    exchange: Omit<Exchange, 'timeoutMs' | 'signal'>,
    options: RequestOptions,
    maxBodyBytes: number,
    textToo = false,
  ): Promise<KubeResult<{ readonly json: unknown; readonly bytes: number }>> {
    const whole = { ...exchange, timeoutMs: options.timeoutMs ?? this.#timeoutMs, signal: options.signal }
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#transport.exchange(whole, maxBodyBytes)
      if (!answer.ok) return answer
      const { status, body, headers } = answer.value
      if (status >= 200 && status < 300) return parseBody(exchange.what, body, textToo)
      const waitMs = retryAfterMs(headers)
      const patient = (status === 429 || status >= 500) && waitMs !== undefined && attempt < MAX_PATIENCE.attempts
      if (!patient || waitMs > MAX_PATIENCE.waitMs) return failed(failureOfAnswer(exchange.what, status, body.toString(), waitMs))
      await delay(this.#clock, waitMs, options.signal)
    }
  }
}

function parseBody(what: What, body: Buffer, textToo: boolean): KubeResult<{ readonly json: unknown; readonly bytes: number }> {
  const text = body.toString()
  try {
    const json: unknown = JSON.parse(text)
    return { ok: true, value: { json, bytes: body.length } }
  } catch {
    return textToo ? { ok: true, value: { json: text, bytes: body.length } } : failed(malformed(what))
  }
}

async function listPage(http: JsonOverHttp, resource: Resource, options: ListOptions): Promise<KubeResult<KubePage>> {
  const what = `list ${describe(resource, { namespace: options.namespace })}`
  const query = {
    ...selectionQuery(options),
    limit: options.limit?.toString(),
    continue: options.continueToken,
    resourceVersion: options.resourceVersion,
  }
  const path = pathOf(resource, { namespace: options.namespace }) + queryText(query)
  const answer = await http.send({ what, method: 'GET', path }, options, options.maxBodyBytes ?? MAX_PAGE_BYTES)
  if (!answer.ok) return answer
  const { json, bytes } = answer.value
  if (!isRecord(json) || !isRecord(json.metadata)) return failed(malformed(what))
  const { resourceVersion, continue: continueToken } = json.metadata
  const items = (Array.isArray(json.items) ? json.items : []).flatMap((item: unknown) => kubeObject(item, resource) ?? [])
  return {
    ok: true,
    value: {
      items,
      resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
      ...(typeof continueToken === 'string' && continueToken !== '' ? { continueToken } : {}),
      bytes,
    },
  }
}

async function deleteObject(
  http: JsonOverHttp,
  resource: Resource,
  place: ObjectPlace,
  options: DeleteOptions = {},
): Promise<KubeResult<undefined>> {
  const { propagation, gracePeriodSeconds, uid, resourceVersion } = options
  const preconditions = { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) }
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
  }
  const what = `delete ${describe(resource, place)}`
  const answer = await http.send({ what, method: 'DELETE', path: pathOf(resource, place), body: json(body) }, options, MAX_OBJECT_BYTES)
  return answer.ok ? { ok: true, value: undefined } : answer
}

async function createToken(
  http: JsonOverHttp,
  account: { readonly namespace: string; readonly name: string },
  spec: { readonly audiences: readonly string[]; readonly expirationSeconds: number },
  options?: RequestOptions,
): Promise<KubeResult<string>> {
  const body = json({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec })
  const request = { ...account, subresource: 'token', verb: 'create', method: 'POST', body } as const
  const made = await http.object(resourceOf('ServiceAccount'), request, options)
  if (!made.ok) return made
  const { status } = made.value
  const token = isRecord(status) ? status.token : undefined
  return typeof token === 'string'
    ? { ok: true, value: token }
    : failed(malformed(`create a token of ${account.namespace}/${account.name}`))
}

async function watchResource(
  transport: Transport,
  client: KubeClientOptions,
  resource: Resource,
  options: WatchOptions,
): Promise<KubeFailure | undefined> {
  const what = `watch ${describe(resource, { namespace: options.namespace })}`
  const query = {
    ...selectionQuery(options),
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: options.resourceVersion,
    timeoutSeconds: options.timeoutSeconds.toString(),
  }
  const path = pathOf(resource, { namespace: options.namespace }) + queryText(query)
  const timeoutMs = client.timeoutMs ?? TIMEOUT_MS
  const exchange = { what, method: 'GET', path, timeoutMs, signal: options.signal } as const
  const opened = await transport.open(exchange)
  if (!opened.ok) return opened.failure
  if (opened.value.statusCode === 200) {
    return readWatch(opened.value, { ...options, what, resource, clock: client.clock, maxLineBytes: MAX_OBJECT_BYTES })
  }
  const refusal = await readBody(opened.value, exchange, MAX_OBJECT_BYTES, client.clock)
  if (!refusal.ok) return refusal.failure
  const { status, body, headers } = refusal.value
  return failureOfAnswer(what, status, body.toString(), retryAfterMs(headers))
}

function selectionQuery(selection: Selection): Query {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector }
}

function writeQuery(options: WriteOptions = {}): Query {
  return {
    fieldManager: options.fieldManager,
    dryRun: options.dryRun === true ? 'All' : undefined,
    fieldValidation: options.fieldValidation,
  }
}

function patchQuery(patch: Patch): Query {
  return patch.type === 'apply' ? { fieldManager: patch.fieldManager, force: patch.force === true ? 'true' : undefined } : {}
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  // JSON is YAML; this is the content type that every version serves.
  apply: 'application/apply-patch+yaml',
} as const

function patchBody(patch: Patch, resource: Resource): Exchange['body'] {
  const body = patch.type === 'apply' ? named(patch.body, resource) : patch.body
  return { contentType: PATCH_TYPES[patch.type], text: JSON.stringify(body) }
}

function json(value: unknown): Exchange['body'] {
  return { contentType: 'application/json', text: JSON.stringify(value) }
}

function named(object: KubeDraft, resource: Resource): KubeDraft {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }
}

function queryText(query: Query): string {
  const set = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`]))
  return set.length === 0 ? '' : `?${set.join('&')}`
}

/** RFC 9110 10.2.3; the API server gives seconds. */
function retryAfterMs(headers: IncomingHttpHeaders): number | undefined {
  const seconds = Number(headers['retry-after'])
  return headers['retry-after'] !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}

function malformed(what: What): KubeFailure {
  return failureOf(what, 0, 'Malformed', 'the answer is not what the API server would say: is something else listening at this address?')
}
