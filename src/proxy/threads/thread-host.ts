// A data thread from inside: a local data plane, its secrets, its recorder, and the answers to the main thread's questions.
// Called once by bin/proxy-thread.ts, which brings clock, chance and patterns.
// Invariant: configurations are applied one after the other, in the order in which they came.
import { setImmediate } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { LogFields, Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { ownPrincipal } from '../certs/own-principal.ts'
import { Assembler } from '../config/assemble.ts'
import type { RegexEngine } from '../config/decode-context.ts'
import { LocalDataPlane } from '../local-data-plane.ts'
import { OverloadState } from '../overload/overload-state.ts'
import type { OriginalDestination } from '../sockets/original-destination.ts'
import type { BlockWrite } from '../telemetry/access-log-writer.ts'
import { IstioMetrics } from '../telemetry/istio-metrics.ts'
import { MetricRegistry } from '../telemetry/metrics.ts'
import { Recorder } from '../telemetry/recorder.ts'
import { ConfigDecoder } from './config-wire.ts'
import { snapshotFamilies } from './merge.ts'
import { MirroredSecrets } from './mirrored-secrets.ts'
import type { Answer, ConfigUpdate, FromThread, Question, ThreadData, ToThread } from './protocol.ts'
import { SharedClusterLoad } from './shared-cluster-load.ts'

export interface ThreadServices {
  readonly clock: Clock
  readonly random: Random
  readonly regex: RegexEngine
  readonly originalDestination: (log: Logger) => OriginalDestination
  readonly collectGarbage?: () => void
}

export function runDataThread(port: MessagePort, data: ThreadData, services: ThreadServices): void {
  const host = new ThreadHost(data, services, (message) => port.postMessage(message))
  port.on('message', (message: ToThread) => host.receive(message))
}

class ThreadHost {
  readonly #post: (message: FromThread) => void
  readonly #secrets = new MirroredSecrets()
  readonly #registry = new MetricRegistry()
  readonly #recorder: Recorder
  readonly #plane: LocalDataPlane
  readonly #decoder: ConfigDecoder
  readonly #loads = new Map<string, SharedArrayBuffer>()
  readonly #writes = new Map<number, Parameters<BlockWrite>[3]>()
  #lastWrite = 0
  #applied: Promise<unknown> = Promise.resolve()

  constructor(data: ThreadData, services: ThreadServices, post: (message: FromThread) => void) {
    this.#post = post
    const { clock, random, regex } = services
    const log = threadLog(post, { thread: data.index })
    const metrics = new IstioMetrics({ labels: data.self, principal: () => ownPrincipal(this.#secrets) })
    metrics.register(this.#registry, { component: 'proxy', tag: data.version })
    this.#recorder = new Recorder(metrics, clock, log, (fd, block, from, done) => this.#relay(fd, block.subarray(from), done))
    this.#recorder.register(this.#registry)
    this.#plane = new LocalDataPlane({
      clock,
      random,
      log,
      secrets: this.#secrets,
      recorder: this.#recorder,
      self: data.self,
      nodeId: data.nodeId,
      maxDownstreamConnections: data.maxDownstreamConnections,
      connectionsByDescriptors: data.connectionsByDescriptors,
      originalDestination: services.originalDestination(log),
      reusePort: true,
      ...(data.overload === undefined ? {} : { overload: new OverloadState(data.overload) }),
      ...(services.collectGarbage === undefined ? {} : { collectGarbage: services.collectGarbage }),
      clusterLoad: (cluster, limits) => {
        const cells = this.#loads.get(cluster)
        if (cells === undefined) throw new Error(`no counters were sent for the cluster ${cluster}`)
        return new SharedClusterLoad(cells, data.index, limits)
      },
    })
    this.#decoder = new ConfigDecoder(new Assembler({ regex, allowUnsupported: data.allowUnsupported, secrets: data.secrets }))
  }

  receive(message: ToThread): void {
    switch (message.kind) {
      case 'secrets':
        return this.#secrets.receive(message.values)
      case 'shrink':
        return this.#plane.shrink()
      case 'written': {
        const done = this.#writes.get(message.id)
        this.#writes.delete(message.id)
        return done?.(message.failure === undefined ? null : new Error(message.failure), message.written)
      }
      case 'question':
        return void this.#answer(message.question).then(
          (answer) => this.#post({ kind: 'answer', id: message.id, answer }),
          (error: unknown) => this.#post({ kind: 'answer', id: message.id, answer: { kind: 'failed', problem: errorMessage(error) } }),
        )
    }
  }

  async #answer(question: Question): Promise<Answer> {
    switch (question.kind) {
      case 'apply':
        return await this.#apply(question.update)
      case 'drain':
        await this.#plane.drain(question.graceMs, question.leastMs)
        await this.#recorder.flush()
        return { kind: 'done' }
      case 'snapshot':
        return { kind: 'snapshot', snapshot: this.#snapshot() }
      case 'close':
        this.#plane.close()
        // Connections that were cut report their outcome when their sockets say that they are closed.
        await setImmediate()
        await this.#recorder.close()
        return { kind: 'done' }
    }
  }

  #apply(update: ConfigUpdate): Promise<Answer> {
    const answer = this.#applied.then(async (): Promise<Answer> => {
      for (const [name, cells] of update.loads) this.#loads.set(name, cells)
      const config = this.#decoder.decode(update)
      for (const name of this.#loads.keys()) if (!config.clusters.has(name)) this.#loads.delete(name)
      return { kind: 'applied', problems: await this.#plane.apply(config) }
    })
    // Only the order is kept here; the failure itself goes to whoever awaits the answer.
    this.#applied = answer.catch(() => undefined)
    return answer
  }

  #snapshot() {
    // The version is the process's, said once by the main thread.
    const families = [...this.#registry.families].filter(({ name }) => name !== 'istio_build')
    return {
      families: snapshotFamilies(families),
      clusters: this.#plane.clusterStatus(),
      connections: this.#plane.activeConnections,
      requests: this.#plane.activeRequests,
    }
  }

  #relay(fd: number, block: Uint8Array, done: Parameters<BlockWrite>[3]): void {
    this.#lastWrite++
    this.#writes.set(this.#lastWrite, done)
    this.#post({ kind: 'block', id: this.#lastWrite, fd, block: new Uint8Array(block) })
  }
}

function threadLog(post: (message: FromThread) => void, bound: LogFields): Logger {
  const say =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}): void =>
      post({ kind: 'log', level, message, fields: { ...bound, ...fields } })
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (more) => threadLog(post, { ...bound, ...more }),
  }
}
