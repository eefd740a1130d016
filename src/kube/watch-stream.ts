// The body of a watch: one JSON object per line, for minutes. Called by client.ts; informers and others get the events.
// Invariant: a line is bounded, a stream that outlives its own time-out is ended by us (a half-open connection looks like silence).
import type { IncomingMessage } from 'node:http'
import { isRecord } from '../api/record.ts'
import type { Clock } from '../base/clock.ts'
import { failureOf, failureOfStatus, type KubeFailure, type What } from './failure.ts'
import { type KubeObject, kubeObject } from './object.ts'
import type { Resource } from './resource.ts'

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  /** Nothing changed up to this version. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  /** The server ends the watch after this; 410: the version is gone. */
  | { readonly type: 'ERROR'; readonly failure: KubeFailure }

export interface WatchStreamOptions {
  readonly what: What
  readonly resource: Resource
  readonly clock: Clock
  readonly timeoutSeconds: number
  readonly maxLineBytes: number
  readonly signal?: AbortSignal | undefined
  readonly onOpen?: () => void
  readonly onEvents: (events: readonly WatchEvent[]) => void
}

/** How much longer than it asked for a watch may live: then the connection is dead and nobody told us. */
const GRACE_MS = 15_000

export function readWatch(response: IncomingMessage, options: WatchStreamOptions): Promise<KubeFailure | undefined> {
  const { what, signal, clock } = options
  const lines = new Lines(options.maxLineBytes)
  options.onOpen?.()
  return new Promise((resolve) => {
    const end = (reason: KubeFailure | undefined): void => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      resolve(reason)
      response.destroy()
    }
    const abort = (): void => end(failureOf(what, 0, 'Aborted', 'given up by the caller'))
    const lifeMs = options.timeoutSeconds * 1000 + GRACE_MS
    const timer = clock.after(lifeMs, () => end(failureOf(what, 0, 'Timeout', `the stream did not end within ${lifeMs} ms`)))
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    response.on('data', (chunk: Buffer) => {
      if (response.destroyed) return
      const whole = lines.add(chunk)
      if (whole === undefined) return end(failureOf(what, 0, 'TooLarge', `an event is larger than ${options.maxLineBytes} bytes`))
      const events = whole.flatMap((line) => eventOf(line, options) ?? [])
      if (events.length > 0) options.onEvents(events)
      const error = events.find((event) => event.type === 'ERROR')
      if (error !== undefined) end(error.failure)
    })
    response.on('end', () => end(undefined))
    response.on('close', () => end(failureOf(what, 0, 'Unreachable', 'the connection broke')))
  })
}

/** Cuts bytes into lines; a line may come in many pieces. */
class Lines {
  readonly #maxBytes: number
  #pieces: Buffer[] = []
  #pending = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that are complete now, or undefined when one is too long. */
  add(chunk: Buffer): readonly string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      this.#pieces.push(chunk.subarray(from, at))
      lines.push(this.#take())
      from = at + 1
    }
    if (from < chunk.length) {
      this.#pieces.push(chunk.subarray(from))
      this.#pending += chunk.length - from
    }
    return this.#pending > this.#maxBytes ? undefined : lines
  }

  #take(): string {
    const text = this.#pieces.length === 1 ? String(this.#pieces[0]) : Buffer.concat(this.#pieces).toString()
    this.#pieces = []
    this.#pending = 0
    return text
  }
}

function eventOf(line: string, options: WatchStreamOptions): WatchEvent | undefined {
  if (line === '') return undefined
  const value = parse(line)
  const malformed = (): WatchEvent => ({
    type: 'ERROR',
    failure: failureOf(options.what, 0, 'Malformed', `an event that cannot be read: ${line.slice(0, 200)}`),
  })
  if (!isRecord(value)) return malformed()
  if (value.type === 'ERROR') return { type: 'ERROR', failure: failureOfStatus(options.what, value.object) }
  const object = kubeObject(value.object, options.resource)
  if (object === undefined) return malformed()
  if (value.type === 'BOOKMARK') return { type: 'BOOKMARK', resourceVersion: object.metadata.resourceVersion ?? '' }
  if (value.type === 'ADDED' || value.type === 'MODIFIED' || value.type === 'DELETED') return { type: value.type, object }
  return malformed()
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
