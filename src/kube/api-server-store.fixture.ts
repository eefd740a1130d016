// The objects, versions and history of the fake API server: what etcd and the registry do in the real one. Used by api-server.fixture.ts.
// Invariant: one version counter for all resources; an event in the history for every version.
import { isRecord } from '../api/record.ts'
import { applyPatch, type Json, jsonPatch, mergePatch, type Owners, own } from './api-server-patch.fixture.ts'
import { apiVersionOf, type Resource } from './resource.ts'

export interface StoredObject extends Json {
  readonly metadata: Json & { readonly name: string; readonly resourceVersion: string; readonly uid: string }
}

export interface StoredEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly resource: Resource
  readonly object: StoredObject
  /** What it replaced: a watch with selectors turns a change out of its selection into DELETED. */
  readonly before: StoredObject | undefined
}

export interface Refusal {
  readonly code: number
  readonly reason: string
  readonly message: string
}

export type Written = { readonly object: StoredObject } | { readonly refusal: Refusal }

export interface WriteRequest {
  readonly resource: Resource
  readonly namespace: string
  readonly name: string
  readonly status: boolean
  readonly manager: string
  readonly dryRun: boolean
}

export class ObjectStore {
  version = 1
  /** Versions before this are gone. */
  compactedTo = 0
  readonly history: StoredEvent[] = []
  readonly #objects = new Map<string, { readonly resource: Resource; object: StoredObject; readonly owners: Owners }>()
  readonly #onEvent: (event: StoredEvent) => void
  #uids = 0

  constructor(onEvent: (event: StoredEvent) => void) {
    this.#onEvent = onEvent
  }

  get(resource: Resource, namespace: string, name: string): StoredObject | undefined {
    return this.#objects.get(keyFor(resource, namespace, name))?.object
  }

  /** In the order of etcd's keys. */
  list(resource: Resource, namespace: string | undefined): readonly StoredObject[] {
    return [...this.#objects]
      .filter(([, stored]) => sameResource(stored.resource, resource))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { object }]) => object)
      .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
  }

  /** Writes the object as it is, whatever was there: how tests set the scene. */
  put(resource: Resource, object: Json): StoredObject {
    const metadata = isRecord(object.metadata) ? object.metadata : {}
    const { name, namespace } = metadata
    const request = { resource, namespace: text(namespace), name: text(name), status: false, manager: 'test', dryRun: false }
    return this.#store(request, object, this.get(resource, request.namespace, request.name))
  }

  create(request: WriteRequest, object: Json): Written {
    if (this.get(request.resource, request.namespace, request.name) !== undefined) {
      return refuse(409, 'AlreadyExists', `${request.resource.plural} "${request.name}" already exists`)
    }
    return { object: this.#store(request, withoutStatus(object), undefined) }
  }

  replace(request: WriteRequest, object: Json): Written {
    const present = this.get(request.resource, request.namespace, request.name)
    if (present === undefined) return notFound(request)
    const version = isRecord(object.metadata) ? object.metadata.resourceVersion : undefined
    if (version !== undefined && version !== present.metadata.resourceVersion) return conflict(request)
    const written = request.status ? withStatusOf(present, object) : withStatusOf(object, present)
    return { object: this.#store(request, written, present) }
  }

  patch(request: WriteRequest, contentType: string, body: unknown, force: boolean): Written {
    const present = this.get(request.resource, request.namespace, request.name)
    if (contentType === 'application/apply-patch+yaml') return this.#apply(request, body, present, force)
    if (present === undefined) return notFound(request)
    const { resourceVersion: version, uid } = isRecord(body) && isRecord(body.metadata) ? body.metadata : {}
    if (version !== undefined && version !== present.metadata.resourceVersion) return conflict(request)
    // A status write takes nothing of the metadata but the version.
    if (uid !== undefined && uid !== present.metadata.uid && !request.status) return conflict(request)
    const made =
      contentType === 'application/json-patch+json' ? jsonPatch(present, Array.isArray(body) ? body : []) : mergePatch(present, body)
    if (!isRecord(made)) return refuse(422, 'Invalid', 'the server rejected our request due to an error in our request')
    const written = request.status ? withStatusOf(present, made) : withStatusOf(made, present)
    return { object: this.#store(request, written, present) }
  }

  delete(resource: Resource, namespace: string, name: string, preconditions: Json = {}): Written {
    const key = keyFor(resource, namespace, name)
    const present = this.#objects.get(key)?.object
    if (present === undefined) return notFound({ resource, name })
    const { uid, resourceVersion } = preconditions
    const stale = resourceVersion !== undefined && resourceVersion !== present.metadata.resourceVersion
    if (stale || (uid !== undefined && uid !== present.metadata.uid)) return conflict({ resource, name })
    this.#objects.delete(key)
    const object = { ...present, metadata: { ...present.metadata, resourceVersion: String(++this.version) } }
    this.#record({ type: 'DELETED', version: this.version, resource, object, before: present })
    return { object }
  }

  #apply(request: WriteRequest, body: unknown, present: StoredObject | undefined, force: boolean): Written {
    if (!isRecord(body)) return refuse(400, 'BadRequest', 'the body is no object')
    const owners: Owners = this.#objects.get(keyFor(request.resource, request.namespace, request.name))?.owners ?? new Map()
    const applied = request.status ? { status: body.status } : withoutStatus(body)
    const result = applyPatch(present ?? {}, applied, owners, request.manager, force)
    if ('conflicts' in result)
      return refuse(409, 'Conflict', `Apply failed with ${result.conflicts.length} conflict: ${result.conflicts[0]}`)
    return { object: this.#store(request, result.object, present, owners) }
  }

  #store(request: WriteRequest, object: Json, present: StoredObject | undefined, applied?: Owners): StoredObject {
    const { resource, namespace, name } = request
    const metadata = isRecord(object.metadata) ? object.metadata : {}
    const key = keyFor(resource, namespace, name)
    const { resourceVersion: _version, generation: _generation, ...given } = metadata
    const draft = {
      ...object,
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: {
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...given,
        name,
        ...(namespace === '' ? {} : { namespace }),
        uid: present?.metadata.uid ?? (typeof given.uid === 'string' ? given.uid : `uid-${++this.#uids}`),
        resourceVersion: present?.metadata.resourceVersion ?? '',
        generation: generationOf(present, object),
      },
    }
    // As the real one: a write that changes nothing makes no version and no event.
    if (request.dryRun || (present !== undefined && JSON.stringify(sorted(draft)) === JSON.stringify(sorted(present)))) return draft
    const stored = { ...draft, metadata: { ...draft.metadata, resourceVersion: String(++this.version) } }
    const owners: Owners = applied ?? this.#objects.get(key)?.owners ?? new Map()
    if (applied === undefined) own(present ?? {}, stored, owners, request.manager)
    this.#objects.set(key, { resource, object: stored, owners })
    const type = present === undefined ? 'ADDED' : 'MODIFIED'
    this.#record({ type, version: this.version, resource, object: stored, before: present })
    return stored
  }

  #record(event: StoredEvent): void {
    this.history.push(event)
    this.#onEvent(event)
  }
}

export function sameResource(a: Resource, b: Resource): boolean {
  return a.group === b.group && a.plural === b.plural
}

function keyFor(resource: Resource, namespace: string, name: string): string {
  return `${resource.group}/${resource.plural}/${namespace}/${name}`
}

/** Counts changes of the spec. */
function generationOf(present: StoredObject | undefined, object: Json): number {
  const before = typeof present?.metadata.generation === 'number' ? present.metadata.generation : 0
  return present !== undefined && JSON.stringify(sorted(present.spec)) === JSON.stringify(sorted(object.spec)) ? before : before + 1
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}

function withoutStatus(object: Json): Json {
  const { status: _status, ...rest } = object
  return rest
}

function withStatusOf(object: Json, source: Json): Json {
  return { ...withoutStatus(object), ...(source.status === undefined ? {} : { status: source.status }) }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function refuse(code: number, reason: string, message: string): Written {
  return { refusal: { code, reason, message } }
}

function notFound({ resource, name }: { readonly resource: Resource; readonly name: string }): Written {
  return refuse(404, 'NotFound', `${resource.plural} "${name}" not found`)
}

function conflict({ resource, name }: { readonly resource: Resource; readonly name: string }): Written {
  return refuse(409, 'Conflict', `Operation cannot be fulfilled on ${resource.plural} "${name}": the object has been modified`)
}
