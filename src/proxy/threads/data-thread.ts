// One data thread as the main thread sees it: questions with answers, and the news of its end. Made and replaced by
// threaded-data-plane.ts; the other end is thread-host.ts.
// Invariant: every question is answered, with undefined when the thread ended before it could; nothing waits for a dead thread.
import { Worker } from 'node:worker_threads'
import type { EncodedConfig } from './config-wire.ts'
import type { Answer, ConfigUpdate, FromThread, Question, SecretValues, ThreadData, ToThread } from './protocol.ts'

export interface ThreadEvents {
  readonly onLog: (event: Extract<FromThread, { kind: 'log' }>) => void
  readonly onBlock: (fd: number, block: Uint8Array, done: (failure: string | undefined, written: number) => void) => void
  /** The thread is gone, by its own fault (`problem`) or because it was told to. */
  readonly onExit: (thread: DataThread, problem: string) => void
}

export class DataThread {
  readonly index: number
  readonly #worker: Worker
  readonly #events: ThreadEvents
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>()
  #resources: ReadonlySet<number> = new Set()
  #loads: ReadonlyMap<string, SharedArrayBuffer> = new Map()
  #lastId = 0
  #gone = false
  #problem = 'it was terminated'

  /** @param program the file that the thread runs: bin/proxy-thread. */
  constructor(program: string, data: ThreadData, events: ThreadEvents) {
    this.index = data.index
    this.#events = events
    this.#worker = new Worker(program, { workerData: data, name: `lateen-data-${data.index}` })
    this.#worker.on('message', (message: FromThread) => this.#receive(message))
    this.#worker.on('error', (error) => {
      this.#problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
    this.#worker.once('exit', () => this.#ended())
  }

  ask(question: Question): Promise<Answer | undefined> {
    if (this.#gone) return Promise.resolve(undefined)
    this.#lastId++
    const id = this.#lastId
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#post({ kind: 'question', id, question })
    })
  }

  /** Sends only what the thread does not hold yet. */
  apply(config: EncodedConfig, loads: ReadonlyMap<string, SharedArrayBuffer>): Promise<Answer | undefined> {
    const update: ConfigUpdate = {
      parts: config.parts,
      resources: [...config.resources.values()].filter(({ id }) => !this.#resources.has(id)),
      loads: [...loads].filter(([name, cells]) => this.#loads.get(name) !== cells),
    }
    this.#resources = new Set(config.resources.keys())
    this.#loads = new Map(loads)
    return this.ask({ kind: 'apply', update })
  }

  tell(values: SecretValues): void {
    this.#post({ kind: 'secrets', values })
  }

  shrink(): void {
    this.#post({ kind: 'shrink' })
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #post(message: ToThread): void {
    if (!this.#gone) this.#worker.postMessage(message)
  }

  #receive(message: FromThread): void {
    switch (message.kind) {
      case 'answer': {
        const resolve = this.#waiting.get(message.id)
        this.#waiting.delete(message.id)
        return resolve?.(message.answer)
      }
      case 'log':
        return this.#events.onLog(message)
      case 'block': {
        const { id, fd, block } = message
        return this.#events.onBlock(fd, block, (failure, written) => this.#post({ kind: 'written', id, failure, written }))
      }
    }
  }

  #ended(): void {
    this.#gone = true
    for (const resolve of this.#waiting.values()) resolve(undefined)
    this.#waiting.clear()
    this.#events.onExit(this, this.#problem)
  }
}
