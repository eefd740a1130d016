// Consumes each outcome exactly once: its access log lines and its metrics. The only OutcomeRecorder of the proxy.
// Invariant: recording never throws and never waits; a log that cannot be written costs lines, not requests.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { AccessLog } from '../config/proxy-config.ts'
import type { OutcomeRecorder, RefusalReason } from '../data-plane.ts'
import { compileAccessLog, type LineWriter } from './access-log-format.ts'
import { AccessLogWriter, type BlockWrite } from './access-log-writer.ts'
import type { IstioMetrics } from './istio-metrics.ts'
import type { MetricRegistry } from './metrics.ts'
import type { Outcome } from './outcome.ts'

interface OpenLog {
  readonly line: LineWriter
  readonly writer: AccessLogWriter
}

const SAY_AGAIN_MS = 30_000
const REFUSAL_HINTS: Readonly<Record<RefusalReason, string>> = {
  descriptors: 'the process has no file descriptor left: raise its limit (ulimit -n), or find who keeps connections open',
  'connection-limit': 'overload.global_downstream_max_connections of the bootstrap is reached',
  memory: "memory is near its limit: raise the container's, or find what holds it",
}

/** How downstream-session.ts begins the details of a connection that its client broke. */
const HTTP2 = 'http2.'

export class Recorder implements OutcomeRecorder {
  readonly #metrics: IstioMetrics
  readonly #clock: Clock
  readonly #log: Logger
  readonly #writeStream: BlockWrite | undefined
  /** One writer per target, however many logs write to it. */
  readonly #writers = new Map<string, AccessLogWriter>()
  /** HTTP/2 connections of clients that ended for what the client did, by error code (RFC 9113 7). */
  readonly #http2Errors = new Map<string, number>()
  readonly #open = new WeakMap<AccessLog, OpenLog>()
  readonly #refused = new Map<RefusalReason, number>()
  readonly #refusalSaidMs = new Map<RefusalReason, number>()
  #failedLookups = 0
  #lookupSaidMs = Number.NEGATIVE_INFINITY

  /** @param writeStream for stdout and stderr, where they are shared with other data threads. */
  constructor(metrics: IstioMetrics, clock: Clock, log: Logger, writeStream?: BlockWrite) {
    this.#metrics = metrics
    this.#clock = clock
    this.#log = log
    this.#writeStream = writeStream
  }

  recordHttp(outcome: Outcome, logs: readonly AccessLog[]): void {
    this.#metrics.recordHttp(outcome)
    if (outcome.flags !== '' && outcome.details.startsWith(HTTP2)) this.#countHttp2Error(outcome.details.slice(HTTP2.length))
    this.#write(outcome, logs)
  }

  recordTcp(outcome: Outcome, logs: readonly AccessLog[]): void {
    this.#metrics.recordTcp(outcome)
    this.#write(outcome, logs)
  }

  connectionRefused(reason: RefusalReason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1)
    const nowMs = this.#clock.monotonicMs()
    // A line per refused connection would be the next thing that runs full.
    if (nowMs - (this.#refusalSaidMs.get(reason) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) return
    this.#refusalSaidMs.set(reason, nowMs)
    this.#log.warn('connections are refused', { reason, hint: REFUSAL_HINTS[reason] })
  }

  lookupFailed(name: string, problem: string, usesLast: boolean): void {
    this.#failedLookups++
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lookupSaidMs < SAY_AGAIN_MS) return
    this.#lookupSaidMs = nowMs
    this.#log.warn(usesLast ? 'a name is not resolved; its last addresses stay in use' : 'a name is not resolved', { name, problem })
  }

  #countHttp2Error(error: string): void {
    this.#http2Errors.set(error, (this.#http2Errors.get(error) ?? 0) + 1)
  }

  #write(outcome: Outcome, logs: readonly AccessLog[]): void {
    for (let index = 0; index < logs.length; index++) {
      const log = logs[index]
      if (log === undefined) continue
      const open = this.#open.get(log) ?? this.#openLog(log)
      open.writer.write(open.line(outcome))
    }
  }

  #openLog(log: AccessLog): OpenLog {
    const { target } = log
    const key = target.kind === 'file' ? `file ${target.path}` : target.kind
    let writer = this.#writers.get(key)
    if (writer === undefined) {
      writer = new AccessLogWriter(target, this.#clock, this.#log, target.kind === 'file' ? undefined : this.#writeStream)
      this.#writers.set(key, writer)
    }
    const open = { line: compileAccessLog(log), writer }
    this.#open.set(log, open)
    return open
  }

  register(registry: MetricRegistry): void {
    registry.observe(
      'counter',
      'lateen_proxy_http2_connection_errors_total',
      'HTTP/2 connections of clients that were ended for a violation or a flood; the access log says which.',
      () => [...this.#http2Errors].map(([error, value]) => ({ labels: { error }, value })),
    )
    registry.observe(
      'counter',
      'lateen_proxy_connections_refused_total',
      'Connections of clients that were not taken: no descriptor, the limit of connections, or memory.',
      () => [...this.#refused].map(([reason, value]) => ({ labels: { reason }, value })),
    )
    registry.observe('counter', 'lateen_proxy_name_lookup_failures_total', 'Names of upstreams that could not be resolved.', () => [
      { value: this.#failedLookups },
    ])
    const each = (value: (writer: AccessLogWriter) => number) => () =>
      [...this.#writers].map(([target, writer]) => ({ labels: { target }, value: value(writer) }))
    registry.observe(
      'counter',
      'lateen_proxy_access_log_lines_total',
      'Access log lines taken.',
      each(({ status }) => status.lines),
    )
    registry.observe(
      'counter',
      'lateen_proxy_access_log_dropped_total',
      'Access log lines dropped because the buffer was full.',
      each(({ status }) => status.dropped),
    )
    registry.observe(
      'counter',
      'lateen_proxy_access_log_failed_writes_total',
      'Writes of access logs that failed.',
      each(({ status }) => status.failedWrites),
    )
  }

  /** After log rotation. */
  reopen(): void {
    for (const writer of this.#writers.values()) writer.reopen()
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.flush()))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()))
  }
}
