// An API server for tests: real HTTP, real versions, pages, watches, bookmarks, conflicts, patches, status subresources; objects in memory.
// Used by the tests of every folder that talks to Kubernetes (README.md tells how). It knows no schemas, rights or admission.
// Invariant: everything that a test awaits it can await here (`requested`, `watching`), so that no test sleeps.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { isRecord } from '../api/record.ts'
import type { Json } from './api-server-patch.fixture.ts'
import { ObjectStore, type Refusal, type StoredEvent, type StoredObject, sameResource, type Written } from './api-server-store.fixture.ts'
import { type KubeConnection, plainConnection } from './connection.ts'
import { apiVersionOf, knownResources, pathOf, type Resource, resourceOf } from './resource.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly body: unknown
}

/** What to answer instead, once. */
export interface Interruption {
  readonly status?: number
  readonly reason?: string
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Break the connection. */
  readonly cut?: boolean
  /** Answer nothing at all until the client gives up. */
  readonly hang?: boolean
  /** A body that is sent as it is. */
  readonly text?: string
}

export interface ApiServerOptions {
  /** Requests must carry it as a bearer token. */
  readonly token?: string
  readonly tls?: { readonly cert: string; readonly key: string }
  /** The answer to a TokenReview, SubjectAccessReview or SelfSubjectAccessReview. */
  readonly review?: (kind: string, spec: Json) => Json
}

type Kind = Parameters<typeof resourceOf>[0]

interface OpenWatch {
  readonly resource: Resource
  readonly matches: (object: StoredObject) => boolean
  readonly response: ServerResponse
  readonly bookmarks: boolean
}

interface Target {
  readonly resource: Resource
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

export class FakeApiServer {
  /** Every request so far. */
  readonly requests: ReceivedRequest[] = []
  readonly store: ObjectStore
  readonly #options: ApiServerOptions
  readonly #watches = new Set<OpenWatch>()
  readonly #pages = new Map<string, { readonly items: readonly StoredObject[]; readonly version: number }>()
  readonly #unserved = new Set<string>()
  readonly #interruptions: { readonly matches: (request: ReceivedRequest) => boolean; readonly interruption: Interruption }[] = []
  readonly #hung = new Set<ServerResponse>()
  readonly #waiting = new Set<() => void>()
  #server: http.Server | undefined
  #port = 0
  token: string | undefined

  constructor(options: ApiServerOptions = {}) {
    this.#options = options
    this.token = options.token
    this.store = new ObjectStore((event) => this.#publish(event))
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`
  }

  get connection(): KubeConnection {
    return plainConnection(this.url)
  }

  /** Listens, on the port of before if there was one. */
  async start(): Promise<void> {
    const { tls } = this.#options
    const handle = (request: IncomingMessage, response: ServerResponse): void => void this.#handle(request, response)
    const server = tls === undefined ? http.createServer(handle) : https.createServer(tls, handle)
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    // A TCP server's address is never a string or null.
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Goes away as if killed: every connection breaks, objects stay (etcd is another process). */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    this.#watches.clear()
    await closed
  }

  /** Creates or replaces, whatever was there. */
  put(kind: Kind, object: Json): StoredObject {
    return this.store.put(resourceOf(kind), object)
  }

  remove(kind: Kind, name: string, namespace = ''): void {
    this.store.delete(resourceOf(kind), namespace, name)
  }

  get(kind: Kind, name: string, namespace = ''): StoredObject | undefined {
    return this.store.get(resourceOf(kind), namespace, name)
  }

  /** Versions up to now are gone for watches that start from them (410), and so are the pages of lists under way. */
  compact(): void {
    this.store.compactedTo = this.store.version
    this.#pages.clear()
  }

  /** Sends every open watch a bookmark of the present version. */
  bookmark(): void {
    for (const watch of this.#watches) {
      if (!watch.bookmarks) continue
      const object = {
        apiVersion: apiVersionOf(watch.resource),
        kind: watch.resource.kind,
        metadata: { resourceVersion: String(this.store.version) },
      }
      watch.response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
    }
  }

  /** Ends every watch as its time-out does, or with an ERROR event, or by breaking the connection. */
  endWatches(how: 'timeout' | 'cut' | { readonly code: number; readonly reason: string } = 'timeout'): void {
    for (const { response } of this.#watches) {
      if (how === 'cut') response.destroy()
      else if (how === 'timeout') response.end()
      else response.end(`${JSON.stringify({ type: 'ERROR', object: statusObject({ ...how, message: how.reason }) })}\n`)
    }
    this.#watches.clear()
  }

  /** As when a CRD is not installed. */
  unserve(kind: Kind): void {
    this.#unserved.add(kind)
  }

  serve(kind: Kind): void {
    this.#unserved.delete(kind)
  }

  /** Answers the next request that matches in another way. Several wait in order. */
  interrupt(interruption: Interruption, matches: (request: ReceivedRequest) => boolean = () => true): void {
    this.#interruptions.push({ matches, interruption })
  }

  /** Breaks the connections of requests that hang. */
  freeHung(): void {
    for (const response of this.#hung) response.destroy()
    this.#hung.clear()
  }

  /** Resolves when so many requests that match have come. */
  requested(matches: (request: ReceivedRequest) => boolean, count = 1): Promise<void> {
    return this.#until(() => this.requests.filter(matches).length >= count)
  }

  /** Resolves when so many watches of a kind are open. */
  watching(kind: Kind, count = 1): Promise<void> {
    return this.#until(() => this.openWatches(kind) >= count)
  }

  openWatches(kind: Kind): number {
    return [...this.#watches].filter(({ resource }) => resource.kind === kind).length
  }

  #until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
    })
  }

  #changed(): void {
    for (const check of [...this.#waiting]) check()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined)
    const url = new URL(request.url ?? '/', 'http://fake')
    const received = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: await bodyOf(request),
    }
    this.requests.push(received)
    this.#changed()
    const at = this.#interruptions.findIndex(({ matches }) => matches(received))
    const interrupted = at === -1 ? undefined : this.#interruptions.splice(at, 1)[0]?.interruption
    if (interrupted !== undefined) return interruptWith(response, interrupted, this.#hung)
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return refuseWith(response, { code: 401, reason: 'Unauthorized', message: 'Unauthorized' })
    }
    this.#route(received, response)
  }

  #route(request: ReceivedRequest, response: ServerResponse): void {
    if (request.path === '/version') return answer(response, 200, { gitVersion: 'v1.34.0', major: '1', minor: '34' })
    const target = targetOf(request.path)
    if (target === undefined || this.#unserved.has(target.resource.kind)) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n')
      return
    }
    if (target.name === undefined && request.method === 'GET') {
      return request.query.get('watch') === 'true' ? this.#watch(target, request, response) : this.#list(target, request, response)
    }
    const written = this.#write(target, request)
    if (written === undefined)
      return refuseWith(response, { code: 405, reason: 'MethodNotAllowed', message: 'the server does not allow this method' })
    if ('refusal' in written) return refuseWith(response, written.refusal)
    answer(response, request.method === 'POST' ? 201 : 200, written.object)
  }

  #write(target: Target, request: ReceivedRequest): Written | undefined {
    const { resource, namespace = '', subresource } = target
    const body: Json = isRecord(request.body) ? request.body : {}
    if (resource.kind.endsWith('Review') && request.method === 'POST') return { object: this.#review(resource, body) }
    const name = target.name ?? (isRecord(body.metadata) && typeof body.metadata.name === 'string' ? body.metadata.name : '')
    const write = {
      resource,
      namespace,
      name,
      status: subresource === 'status',
      manager: request.query.get('fieldManager') ?? 'unknown',
      dryRun: request.query.get('dryRun') === 'All',
    }
    switch (request.method) {
      case 'GET': {
        const object = this.store.get(resource, namespace, name)
        return object === undefined
          ? { refusal: { code: 404, reason: 'NotFound', message: `${resource.plural} "${name}" not found` } }
          : { object }
      }
      case 'POST':
        return this.store.create(write, body)
      case 'PUT':
        return this.store.replace(write, body)
      case 'PATCH':
        return this.store.patch(write, request.headers['content-type'] ?? '', request.body, request.query.get('force') === 'true')
      case 'DELETE':
        return this.store.delete(resource, namespace, name, isRecord(body.preconditions) ? body.preconditions : {})
      default:
        return undefined
    }
  }

  #review(resource: Resource, body: Json): StoredObject {
    const spec = isRecord(body.spec) ? body.spec : {}
    const status = this.#options.review?.(resource.kind, spec) ?? {}
    return { ...body, metadata: { name: '', resourceVersion: '', uid: '' }, status }
  }

  #list(target: Target, { query }: ReceivedRequest, response: ServerResponse): void {
    const token = query.get('continue')
    const held = token === null ? undefined : this.#pages.get(token)
    if (token !== null && held === undefined) {
      return refuseWith(response, { code: 410, reason: 'Expired', message: 'The provided continue parameter is too old' })
    }
    const matches = selector(query)
    // The pages of one list are of one version, whatever is written meanwhile.
    const { items, version } = held ?? {
      items: this.store.list(target.resource, target.namespace).filter(matches),
      version: this.store.version,
    }
    const limit = Number(query.get('limit') ?? items.length) || items.length
    const rest = items.slice(limit)
    const next = rest.length === 0 ? undefined : `${version}-${this.#pages.size}-${rest.length}`
    if (next !== undefined) this.#pages.set(next, { items: rest, version })
    answer(response, 200, {
      kind: `${target.resource.kind}List`,
      apiVersion: apiVersionOf(target.resource),
      metadata: { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next, remainingItemCount: rest.length }) },
      items: items.slice(0, limit).map((item) => listItem(item, target.resource)),
    })
  }

  #watch({ resource, namespace }: Target, { query }: ReceivedRequest, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? 0)
    if (from < this.store.compactedTo) {
      return refuseWith(response, {
        code: 410,
        reason: 'Expired',
        message: `too old resource version: ${from} (${this.store.compactedTo})`,
      })
    }
    const selected = selector(query)
    const matches = (object: StoredObject): boolean =>
      (namespace === undefined || object.metadata.namespace === namespace) && selected(object)
    const watch = { resource, matches, response, bookmarks: query.get('allowWatchBookmarks') === 'true' }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    response.on('close', () => this.#watches.delete(watch))
    for (const event of this.store.history) if (event.version > from) deliver(watch, event)
    this.#watches.add(watch)
    this.#changed()
  }

  #publish(event: StoredEvent): void {
    for (const watch of this.#watches) deliver(watch, event)
  }
}

/** Starts one and ends it with the test. */
export async function startApiServer(t: TestContext, options: ApiServerOptions = {}): Promise<FakeApiServer> {
  const server = new FakeApiServer(options)
  await server.start()
  t.after(() => server.stop())
  return server
}

function deliver(watch: OpenWatch, event: StoredEvent): void {
  if (!sameResource(watch.resource, event.resource)) return
  const was = event.before !== undefined && watch.matches(event.before)
  const is = event.type !== 'DELETED' && watch.matches(event.object)
  if (!was && !is) return
  const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED'
  watch.response.write(`${JSON.stringify({ type, object: event.object })}\n`)
}

/** `/api/v1/namespaces/a/pods/b/status`; a namespace itself is `/api/v1/namespaces/a`. */
function targetOf(path: string): Target | undefined {
  const [root, ...segments] = path.split('/').slice(1).map(decodeURIComponent)
  const group = root === 'apis' ? segments.shift() : ''
  const version = segments.shift()
  const namespaced = segments[0] === 'namespaces' && segments.length > 2 && segments[2] !== 'status'
  const namespace = namespaced ? segments.splice(0, 2)[1] : undefined
  const [plural, name, subresource] = segments
  const resource = knownResources().find((each) => each.group === group && each.plural === plural)
  if (resource === undefined || version === undefined || !pathOf(resource).startsWith(`/${root}`)) return undefined
  return { resource, namespace, name, subresource }
}

/** Kubernetes' own kinds come without kind and apiVersion in lists. */
function listItem(object: StoredObject, { group }: Resource): Json {
  if (group.endsWith('istio.io')) return object
  const { kind: _kind, apiVersion: _version, ...rest } = object
  return rest
}

/** `a=b,c!=d,e,!f` for labels; `metadata.name=x`, `metadata.namespace!=y`, `spec.nodeName=z` for fields. */
function selector(query: URLSearchParams): (object: StoredObject) => boolean {
  const terms = (text: string | null): readonly string[] => (text ?? '').split(',').filter((term) => term !== '')
  const labels = terms(query.get('labelSelector'))
  const fields = terms(query.get('fieldSelector'))
  const holds = (term: string, fieldNamed: (name: string) => unknown): boolean => {
    const [, name = '', operator, value = ''] = /^(!?[^=!]+)(?:(!=|==?)(.*))?$/.exec(term) ?? []
    if (operator === undefined) return name.startsWith('!') ? fieldNamed(name.slice(1)) === undefined : fieldNamed(name) !== undefined
    return (operator === '!=') !== (String(fieldNamed(name) ?? '') === value)
  }
  const labelOf = (object: StoredObject) => (name: string) => (isRecord(object.metadata.labels) ? object.metadata.labels[name] : undefined)
  const fieldOf = (object: StoredObject) => (name: string) =>
    name.split('.').reduce<unknown>((node, part) => (isRecord(node) ? node[part] : undefined), object)
  return (object) => labels.every((term) => holds(term, labelOf(object))) && fields.every((term) => holds(term, fieldOf(object)))
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

function interruptWith(response: ServerResponse, interruption: Interruption, hung: Set<ServerResponse>): void {
  const { status = 500, reason = 'InternalError', message = reason, headers = {}, cut, hang, text } = interruption
  if (cut === true) response.destroy()
  else if (hang === true) hung.add(response)
  else if (text !== undefined) response.writeHead(status, headers).end(text)
  else answer(response, status, statusObject({ code: status, reason, message }), headers)
}

function refuseWith(response: ServerResponse, refusal: Refusal): void {
  answer(response, refusal.code, statusObject(refusal))
}

function statusObject({ code, reason, message }: Refusal): Json {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message }
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
