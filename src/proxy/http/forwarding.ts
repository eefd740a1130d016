// A request on its way to an upstream and its answer back: pick, send, retry, stream. Made by exchange.ts for routes that forward;
// serves the upstream pools as their user. Octets stream through it: nothing is held but what a retry may need.
// Invariant: after letGo() or the exchange's end no upstream is held, nothing is counted, and no timer of it fires.
import type { ForwardAction, HttpConnectionManager, Route, VirtualHost, WeightedCluster } from '../config/proxy-config.ts'
import { type AttemptResult, decideRetry } from '../decide/retry.ts'
import { rewriteHost, rewritePath } from '../decide/rewrite.ts'
import type { BodyOutput } from '../http1/body-reader.ts'
import type { FailureKind } from '../rescue.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { ClusterRuntime, EndpointRuntime } from '../upstream/cluster-runtime.ts'
import type { ConnectionPool } from '../upstream/connection-pool.ts'
import type { UpstreamStream, UpstreamUser } from '../upstream/upstream-stream.ts'
import { AttemptLoad } from './attempt-load.ts'
import { ExchangeDeadlines } from './exchange-deadlines.ts'
import type { ExchangeHost } from './exchange-host.ts'
import { hostOverride, type RouteMutations } from './header-mutations.ts'
import { KeptBody } from './kept-body.ts'
import { addFlag } from './mark-outcome.ts'
import { expectedTimeoutMs, externalAddress, requestHead } from './request-head.ts'
import { interimHead, responseHead } from './response-head.ts'
import { streamDurationMs } from './stream-duration.ts'
import { handshakeLines, proofLine } from './websocket-handshake.ts'

/** RFC 9110 9.2.2: repeating these does no more than doing them once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** The exchange, as its forwarding sees it. */
export interface ForwardedExchange {
  readonly host: ExchangeHost
  readonly manager: HttpConnectionManager
  readonly outcome: Outcome
  readonly finished: boolean
  responseStarted: boolean
  readonly mutations: RouteMutations
  readonly expand: (template: string) => string
  responseInputs(serviceTimeMs: number | undefined, closes: boolean): Parameters<typeof responseHead>[2]
  fail(kind: FailureKind, reason?: string, status?: number): void
  finish(whole: boolean): void
}

/** What the plan has decided about it. */
export interface ForwardPlan {
  readonly action: ForwardAction
  readonly route: Route
  readonly virtualHost: VirtualHost
  readonly chosen: WeightedCluster
  readonly cluster: ClusterRuntime
}

export class Forwarding implements UpstreamUser {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly upgrade: string
  readonly #exchange: ForwardedExchange
  readonly #host: ExchangeHost
  readonly #plan: ForwardPlan
  readonly #path: string
  readonly #hostToSend: string | undefined
  readonly #load = new AttemptLoad()
  readonly #kept = new KeptBody()
  readonly #deadlines: ExchangeDeadlines
  #tried: Set<EndpointRuntime> | undefined
  #upstream: UpstreamStream | undefined
  #waitsIn: ConnectionPool | undefined
  #sentMs = 0
  #responseHead = ''

  constructor(exchange: ForwardedExchange, plan: ForwardPlan) {
    const { host } = exchange
    const { services, request } = host
    this.#exchange = exchange
    this.#host = host
    this.#plan = plan
    this.method = request.method
    this.scheme = request.scheme
    this.upgrade = request.upgrade
    this.#deadlines = new ExchangeDeadlines(services.wheel, services.clock)
    const { pathRewrite } = plan.action
    this.#path = pathRewrite === undefined ? request.path : rewritePath(pathRewrite, plan.route.match, request.path)
    this.#hostToSend = hostOverride(exchange.mutations.request) ?? (request.absoluteForm ? request.authority : undefined)
  }

  start(chunk: Buffer): void {
    const { body } = this.#host
    const { idleTimeoutMs } = this.#plan.action
    if (idleTimeoutMs !== undefined) this.#host.limitIdle(idleTimeoutMs)
    const durationMs = streamDurationMs(this.#plan.action, this.#exchange.manager, this.#host.request.head.get('grpc-timeout'))
    // Envoy: whoever has not even sent all of the request is told so.
    this.#deadlines.startStream(durationMs, () => this.#exchange.fail('stream-duration', '', body.done ? undefined : 408))
    if (!body.done || !body.out.isEmpty) this.#kept.begin()
    this.#kept.add(chunk, body.out, false)
    this.#attempt(chunk)
    if (body.done && !this.#exchange.finished) this.#requestComplete()
  }

  /** More of the request body has come (host.body.out of `chunk`). */
  onRequestBody(chunk: Buffer): void {
    const { body } = this.#host
    const upstream = this.#upstream
    this.#kept.add(chunk, body.out, upstream !== undefined)
    if (upstream === undefined || !upstream.send('', chunk, body)) this.#host.pauseReading()
    if (body.done) this.#requestComplete()
  }

  onClientDrain(): void {
    this.#upstream?.resume()
  }

  /** Gives the upstream up in the middle of its work. */
  letGo(): void {
    const upstream = this.#upstream
    this.#waitsIn?.cancel(this)
    this.#endAttempt()
    upstream?.abandon()
  }

  /** The exchange is over. */
  close(): void {
    this.#deadlines.clear()
    this.#load.close()
  }

  // ------------------------------------------------------------------------------------------------------------ attempts

  #attempt(chunk: Buffer | undefined): void {
    const { outcome } = this.#exchange
    const { cluster } = this.#plan
    outcome.attempts++
    this.#load.begin(cluster)
    const endpoint = this.#pick(cluster)
    if (endpoint === undefined) return this.#exchange.fail('no-healthy-upstream')
    outcome.endpoint = endpoint.config
    const pool = this.#host.protocol === 'HTTP/2' ? endpoint.http2Pool : endpoint.pool
    const acquired = pool.acquire(this)
    if (acquired === 'overflow') return this.#exchange.fail('overflow')
    this.#load.carry(endpoint)
    if (acquired === 'waiting') {
      this.#waitsIn = pool
      if (!this.#host.body.done) this.#host.pauseReading()
      return
    }
    this.#sendRequest(acquired, chunk)
  }

  #pick(cluster: ClusterRuntime): EndpointRuntime | undefined {
    if (cluster.config.discovery === 'original-destination') {
      const { destination } = this.#host
      return cluster.pickOriginal(destination.host, destination.port)
    }
    return cluster.pick(this.#tried, this.#plan.action.retry?.hostSelectionAttempts ?? 1)
  }

  onConnection(stream: UpstreamStream): void {
    this.#waitsIn = undefined
    this.#sendRequest(stream, undefined)
  }

  /** `chunk` undefined: the body octets are in #kept. */
  #sendRequest(stream: UpstreamStream, chunk: Buffer | undefined): void {
    this.#upstream = stream
    const { outcome } = this.#exchange
    const { body } = this.#host
    outcome.upstreamLocalAddress = stream.localAddress
    outcome.upstreamPrincipal = stream.principal
    outcome.upstreamMutualTls = stream.mutualTls
    const head = this.#requestHead(stream)
    this.#sentMs = this.#host.services.clock.monotonicMs()
    const flowing = chunk !== undefined ? stream.send(head, chunk, body) : stream.sendKept(head, this.#kept.pieces, body)
    const { retry } = this.#plan.action
    if (retry === undefined || retry.maxRetries === 0 || !this.#kept.fits) this.#kept.drop(chunk === undefined ? undefined : body.out)
    if (retry !== undefined) this.#deadlines.startAttempt(retry.perTryTimeoutMs, () => this.#onPerTryTimeout())
    if (flowing && !body.done) this.#host.resumeReading()
  }

  #requestHead(stream: UpstreamStream): string {
    const { manager, outcome, mutations, expand } = this.#exchange
    const { action, virtualHost } = this.#plan
    const host = this.#host
    const rewrite = action.hostRewrite
    return requestHead({
      manager,
      request: host.request,
      path: this.#path,
      rewritesPath: action.pathRewrite !== undefined,
      host:
        rewrite === undefined ? this.#hostToSend : rewriteHost(rewrite, host.request.authority, this.#load.endpoint?.config.address.host),
      rewritesHost: rewrite !== undefined,
      attempt: virtualHost.includeAttemptCountInRequest ? outcome.attempts : 0,
      // The first attempt has all of it, however long the connection took (Envoy: setTimeoutHeaders).
      timeoutMs: expectedTimeoutMs(action, outcome.attempts > 1 ? this.#deadlines.remainingMs : undefined),
      clientCertLine: host.clientCertLine,
      extraLines: host.services.metadata.linesFor(stream) + (host.protocol === 'HTTP/2' ? handshakeLines(host.request) : ''),
      keepsClientCert: host.keepsClientCert,
      externalAddress: externalAddress(host.request, host.facts.remoteIp, manager),
      mutations: mutations.request,
      expand,
    })
  }

  #requestComplete(): void {
    const exchange = this.#exchange
    exchange.outcome.bytesReceived = this.#host.body.payloadBytes
    if (!exchange.finished) this.#deadlines.startRoute(this.#plan.action.timeoutMs, () => exchange.fail('route-timeout'))
  }

  onUpstreamFailure(failure: FailureKind, reason: string): void {
    const exchange = this.#exchange
    const upstream = this.#upstream
    const stale = upstream?.mayBeStale === true && IDEMPOTENT.has(this.method)
    const neverSent = upstream === undefined
    this.#endAttempt()
    if (exchange.finished) return
    if (failure === 'upstream-identity') exchange.outcome.upstreamTransportFailure = reason
    // A kept connection that dies without an answer was most likely closed by the other side before the request reached it; only for
    // methods that may be repeated anyway is that good enough (RFC 9112 9.3.1).
    const kind = neverSent
      ? 'connect-failure'
      : failure === 'upstream-refused'
        ? 'refused-stream'
        : stale
          ? 'reset-before-request'
          : 'reset'
    if (this.#retryAfter({ kind })) return
    this.#forgetUnsentHead()
    exchange.fail(failure, failure === 'upstream-reset' ? '' : reason)
  }

  /** Asks whether to try again, and arranges it. */
  #retryAfter(result: AttemptResult): boolean {
    const { retry } = this.#plan.action
    if (retry === undefined) return false
    const { services } = this.#host
    const { outcome, responseStarted } = this.#exchange
    const { load } = this.#plan.cluster
    const decision = decideRetry(
      retry,
      {
        result,
        attempts: outcome.attempts,
        replayable: this.#kept.complete,
        responseStarted,
        activeRetries: load.activeRetries,
        maxActiveRetries: load.limits.maxRetries,
        remainingMs: this.#deadlines.remainingMs,
      },
      services.random,
    )
    if (!decision.retry) {
      if (decision.because === 'attempts-spent') addFlag(outcome, 'URX')
      if (decision.because === 'budget-spent') addFlag(outcome, 'UO')
      return false
    }
    const last = this.#load.lastEndpoint
    if (retry.avoidsPreviousHosts && last !== undefined) {
      this.#tried ??= new Set()
      this.#tried.add(last)
    }
    this.#load.scheduleRetry()
    this.#deadlines.waitForRetry(decision.afterMs, () => this.#attempt(undefined))
    return true
  }

  #onPerTryTimeout(): void {
    const exchange = this.#exchange
    if (exchange.responseStarted || exchange.finished) return
    this.letGo()
    if (this.#retryAfter({ kind: 'per-try-timeout' })) return
    exchange.fail('per-try-timeout')
  }

  /** The attempt is over: give back what it counted. */
  #endAttempt(): void {
    this.#deadlines.endAttempt()
    this.#upstream = undefined
    this.#waitsIn = undefined
    this.#load.end()
  }

  // ------------------------------------------------------------------------------------------------------------ response

  onUpstreamDrain(): void {
    this.#host.resumeReading()
  }

  onInformational(stream: UpstreamStream): void {
    // RFC 9110 15.2: a proxy forwards 1xx; not to HTTP/1.0 clients.
    if (this.#host.request.head.minorVersion === 0) return
    this.#host.inform(interimHead(stream.head))
  }

  /** A head that waits for its first octets of body has not been seen by the client: it still gets an answer that says what happened. */
  #forgetUnsentHead(): void {
    if (this.#responseHead === '') return
    this.#responseHead = ''
    this.#exchange.outcome.response = undefined
    this.#exchange.responseStarted = false
  }

  onResponseHead(stream: UpstreamStream): BodyOutput | 'stop' {
    const exchange = this.#exchange
    const { outcome } = exchange
    const { head } = stream
    const now = this.#host.services.clock.monotonicMs()
    outcome.upstreamServiceTimeMs = now - this.#sentMs
    if (this.#plan.action.retry !== undefined && this.#retriesOn(stream)) return 'stop'
    this.#kept.drop()
    const { framing, output, closes } = this.#host.framingOf(stream.bodyKind)
    if (closes) this.#host.mustClose = true
    outcome.status = head.status
    outcome.response = head
    outcome.details = 'via_upstream'
    this.#responseHead = responseHead(head, framing, exchange.responseInputs(outcome.upstreamServiceTimeMs, this.#host.closesAfter))
    outcome.responseHeadBytes = this.#responseHead.length
    exchange.responseStarted = true
    return output
  }

  /** The decision is taken before the connection is let go, because without a retry the answer streams on. */
  #retriesOn({ head }: UpstreamStream): boolean {
    // Of gRPC's answers only those that consist of a head say early how the call went (trailers-only).
    const trailersOnly = !head.chunked && head.contentLength <= 0
    const grpcStatus = trailersOnly ? head.get('grpc-status') : undefined
    if (head.status < 400 && grpcStatus === undefined) return false
    const result: AttemptResult = {
      kind: 'response',
      status: head.status,
      grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus),
    }
    if (!this.#retryAfter(result)) return false
    this.letGo()
    return true
  }

  onResponseBody(stream: UpstreamStream, chunk: Buffer): void {
    const { body } = stream
    const flowing = this.#host.write(this.#responseHead, chunk, body)
    this.#responseHead = ''
    this.#exchange.outcome.bytesSent = body.payloadBytes
    if (!body.done) {
      if (!flowing) stream.pause()
      return
    }
    this.#exchange.outcome.responseTrailers = body.trailers
    const requestDone = this.#host.body.done
    this.#endAttempt()
    if (requestDone) stream.release()
    else stream.abandon()
    this.#exchange.finish(true)
  }

  onSwitched(stream: UpstreamStream, rest: Buffer): void {
    const exchange = this.#exchange
    const { outcome } = exchange
    const { head } = stream
    outcome.status = head.status
    outcome.details = 'via_upstream'
    outcome.upstreamServiceTimeMs = this.#host.services.clock.monotonicMs() - this.#sentMs
    // An answer to a question that was not asked: nobody on the client's side would understand the octets that follow.
    const socket = this.#host.request.upgrade === '' ? undefined : stream.detach()
    if (socket === undefined) {
      this.letGo()
      return exchange.fail('upstream-protocol')
    }
    const text = responseHead(head, 'none', exchange.responseInputs(undefined, false), proofLine(this.#host.request, head))
    outcome.response = head
    outcome.responseHeadBytes = text.length
    exchange.responseStarted = true
    this.#upstream = undefined
    this.#deadlines.clear()
    this.#host.startTunnel(socket, text, rest, exchange.manager.streamIdleTimeoutMs, (result) => {
      outcome.bytesReceived = result.bytesReceived
      outcome.bytesSent = result.bytesSent
      this.#endAttempt()
      stream.detachedClosed()
      exchange.finish(false)
    })
  }
}
