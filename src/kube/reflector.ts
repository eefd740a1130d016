// List, then watch, then again: the loop behind an informer, for one kind in one namespace (or all). Kubernetes' own name for it.
// Called by informer.ts. Protocol: kubernetes.io/docs/reference/using-api/api-concepts (efficient detection of changes, large results).
// Invariant: it never gives up and never throws; whatever goes wrong, the sink keeps what it has until a list says otherwise.
import { backoffMs } from '../base/backoff.ts'
import { type Clock, delay } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KubeClient, KubePage, Selection } from './client.ts'
import { isExpired, type KubeFailure } from './failure.ts'
import { type KubeObject, keyOfObject } from './object.ts'
import type { Resource } from './resource.ts'
import type { WatchEvent } from './watch-stream.ts'

export interface ReflectorOptions {
  readonly client: KubeClient
  readonly resource: Resource
  readonly selection: Selection
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly absentIsEmpty: boolean
  readonly signal: AbortSignal
}

export interface ReflectorSink {
  /** The keys that we hold. */
  known(): Iterable<string>
  put(objects: readonly KubeObject[]): void
  remove(keys: readonly string[]): void
  /** A list is complete and in force. */
  listed(): void
  connected(is: boolean): void
  heard(events: number): void
  failed(failure: KubeFailure): void
}

const RETRY = { baseMs: 400, maxMs: 30_000 } as const
const ABSENT_RETRY_MS = 30_000
/** A watch lives for 5 to 10 minutes, so that the watches of a fleet do not all come back at once. */
const WATCH_SECONDS = { least: 300, most: 600 } as const
/** Of 500 objects a page has 1 to 5 MB, which is parsed in 10 to 50 ms. */
const PAGE_LIMIT = 500
/** Objects that are larger than usual come in smaller pages, so that parsing one does not block the loop for long. */
const PAGE_BYTES = 4 * 1024 * 1024
/** Errors inside the stream, one after the other, before we distrust our version and list again. */
const PATIENCE_WITH_ERRORS = 3

export async function runReflector(options: ReflectorOptions, sink: ReflectorSink): Promise<void> {
  const retries = new Retries(options)
  while (!options.signal.aborted) {
    const version = await listAll(options, sink, retries)
    if (version === undefined) return
    await watchFrom(version, options, sink, retries)
  }
}

/** Lists until a list succeeds; its version. Undefined: stopped. */
async function listAll(options: ReflectorOptions, sink: ReflectorSink, retries: Retries): Promise<string | undefined> {
  const { signal, clock, absentIsEmpty, log } = options
  while (!signal.aborted) {
    const listed = await listOnce(options, sink)
    if (typeof listed === 'string') {
      retries.succeeded()
      sink.listed()
      return listed
    }
    if (signal.aborted) return undefined
    sink.failed(listed)
    if (absentIsEmpty && listed.reason === 'NotFound') {
      sink.remove([...sink.known()])
      sink.listed()
      await delay(clock, ABSENT_RETRY_MS, signal)
      continue
    }
    log.warn('cannot list objects', { failure: listed.message, attempt: retries.attempts + 1 })
    await retries.wait(listed)
  }
  return undefined
}

/** One pass over all pages. What the pages did not show is gone. */
async function listOnce(options: ReflectorOptions, sink: ReflectorSink): Promise<string | KubeFailure> {
  const { client, resource, selection, signal } = options
  const seen = new Set<string>()
  let limit = PAGE_LIMIT
  let continueToken: string | undefined
  for (;;) {
    const page = await client.list(resource, { ...selection, limit, continueToken, signal })
    if (!page.ok) {
      if (page.failure.reason !== 'TooLarge' || limit === 1) return page.failure
      limit = Math.max(1, Math.floor(limit / 4))
      continue
    }
    for (const object of page.value.items) seen.add(keyOfObject(object))
    sink.put(page.value.items)
    if (page.value.continueToken === undefined) {
      sink.remove([...sink.known()].filter((key) => !seen.has(key)))
      return page.value.resourceVersion
    }
    continueToken = page.value.continueToken
    limit = nextLimit(limit, page.value)
  }
}

function nextLimit(limit: number, page: KubePage): number {
  if (page.items.length === 0) return limit
  return Math.max(1, Math.min(PAGE_LIMIT, Math.floor((PAGE_BYTES * page.items.length) / page.bytes)))
}

/** Watches, and watches again, until our version is worth nothing any more. */
async function watchFrom(listedVersion: string, options: ReflectorOptions, sink: ReflectorSink, retries: Retries): Promise<void> {
  const { client, resource, selection, random, signal, log } = options
  let resourceVersion = listedVersion
  let errorsInStream = 0
  while (!signal.aborted) {
    let heard = 0
    const failure = await client.watch(resource, {
      ...selection,
      resourceVersion,
      timeoutSeconds: Math.round(WATCH_SECONDS.least + random() * (WATCH_SECONDS.most - WATCH_SECONDS.least)),
      signal,
      onOpen: () => sink.connected(true),
      onEvents: (events) => {
        heard += events.filter(({ type }) => type !== 'ERROR').length
        resourceVersion = applyEvents(events, sink) ?? resourceVersion
        sink.heard(events.length)
      },
    })
    sink.connected(false)
    if (signal.aborted) return
    if (failure === undefined || heard > 0) retries.succeeded()
    if (failure === undefined && heard > 0) continue
    if (failure !== undefined) {
      sink.failed(failure)
      if (isExpired(failure)) return log.debug('the version of the watch is gone: listing again', { resourceVersion })
      errorsInStream = heard > 0 ? 0 : errorsInStream + 1
      if (errorsInStream >= PATIENCE_WITH_ERRORS && failure.status !== 0) return
      log.debug('the watch broke', { failure: failure.message })
    }
    // Also after an end without a word: a server that closes at once must not be asked in a tight loop.
    await retries.wait(failure)
  }
}

/** Applies events in their order, joining neighbours of one sort, and gives the newest version. */
function applyEvents(events: readonly WatchEvent[], sink: ReflectorSink): string | undefined {
  let version: string | undefined
  let puts: KubeObject[] = []
  const flush = (): void => {
    if (puts.length > 0) sink.put(puts)
    puts = []
  }
  for (const event of events) {
    if (event.type === 'ERROR') continue
    if (event.type === 'BOOKMARK') version = event.resourceVersion
    else {
      version = event.object.metadata.resourceVersion ?? version
      if (event.type === 'DELETED') {
        flush()
        sink.remove([keyOfObject(event.object)])
      } else puts.push(event.object)
    }
  }
  flush()
  return version
}

class Retries {
  attempts = 0
  readonly #options: ReflectorOptions

  constructor(options: ReflectorOptions) {
    this.#options = options
  }

  succeeded(): void {
    this.attempts = 0
  }

  wait(failure: KubeFailure | undefined): Promise<void> {
    const { clock, random, signal } = this.#options
    return delay(clock, Math.max(backoffMs(RETRY, this.attempts++, random), failure?.retryAfterMs ?? 0), signal)
  }
}
