// One request and its answer: plans with the deciding functions, performs, and records exactly once. Made by downstream-connection.ts
// for each request, serves the upstream pools as their user. Octets stream through it: nothing is held but what a retry may need.
// Invariant: every exchange ends in #finish, once; from then on nothing is written and no timer of it fires.
import type { ForwardAction, HttpConnectionManager, Route, VirtualHost, WeightedCluster } from '../config/proxy-config.ts'
import { authorize } from '../decide/authorize.ts'
import { matchRoute } from '../decide/match.ts'
import { redirectLocation, redirectToTls } from '../decide/redirect.ts'
import { type AttemptResult, decideRetry } from '../decide/retry.ts'
import { rewriteHost, rewritePath } from '../decide/rewrite.ts'
import { chooseCluster } from '../decide/weighted.ts'
import type { BodyOutput } from '../http1/body-reader.ts'
import { responseBodyKind } from '../http1/framing.ts'
import { writePieces } from '../http1/write-message.ts'
import { FAILURES, type FailureKind } from '../rescue.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { ClusterRuntime, EndpointRuntime } from '../upstream/cluster-runtime.ts'
import type { UpstreamConnection, UpstreamUser } from '../upstream/upstream-connection.ts'
import { AttemptLoad } from './attempt-load.ts'
import { terminatesConnect } from './connect-tunnel.ts'
import { ExchangeDeadlines } from './exchange-deadlines.ts'
import type { ExchangeHost } from './exchange-host.ts'
import { hostOverride, mutationsFor, NO_ROUTE_MUTATIONS } from './header-mutations.ts'
import { KeptBody } from './kept-body.ts'
import { addFlag, markFailure } from './mark-outcome.ts'
import { newOutcome } from './new-outcome.ts'
import { expectedTimeoutMs, externalAddress, requestHead } from './request-head.ts'
import { localHead, type ResponseHeadInputs, responseFraming, responseHead } from './response-head.ts'

/** RFC 9110 9.2.2: repeating these does no more than doing them once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

export class Exchange implements UpstreamUser {
  readonly method: string
  readonly outcome: Outcome
  finished = false

  readonly #host: ExchangeHost
  readonly #manager: HttpConnectionManager
  readonly #startedMs: number
  #virtualHost: VirtualHost | undefined
  #route: Route | undefined
  #action: ForwardAction | undefined
  #mutations = NO_ROUTE_MUTATIONS
  #cluster: ClusterRuntime | undefined
  #tried: Set<EndpointRuntime> | undefined
  #upstream: UpstreamConnection | undefined
  #waiting = false
  readonly #load = new AttemptLoad()
  #path = ''
  #hostToSend: string | undefined

  readonly #kept = new KeptBody()
  readonly #deadlines: ExchangeDeadlines
  #sentMs = 0
  #responseHead = ''
  #responseStarted = false
  #clientGone = false

  constructor(host: ExchangeHost, manager: HttpConnectionManager) {
    const { services, request, facts } = host
    this.#host = host
    this.#manager = manager
    this.#startedMs = services.clock.monotonicMs()
    this.#deadlines = new ExchangeDeadlines(services.wheel, services.clock)
    this.method = request.method
    const outcome = newOutcome(facts, services.clock.nowMs())
    outcome.protocol = request.head.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
    outcome.method = request.method
    outcome.path = request.path
    outcome.authority = request.authority
    outcome.request = request
    outcome.requestHeadBytes = request.head.fieldsEnd + 2
    outcome.requestId = request.requestId
    this.outcome = outcome
    services.activity.requests++
  }

  /** Plans and performs. `chunk` carries the body octets that came with the head (host.body.out). */
  start(chunk: Buffer): void {
    const { services, request } = this.#host
    const table = this.#manager.routes
    const decision = matchRoute(table, request, services.random)
    if (!decision.found) {
      this.#virtualHost = decision.virtualHost
      this.outcome.virtualHost = decision.virtualHost?.name ?? ''
      if (terminatesConnect(this.#host, this.#manager)) return this.#openTunnelHere()
      if (decision.reason === 'requires-tls') return this.#answer(301, '', `location: ${redirectToTls(request)}\r\n`, 'direct_response')
      return this.fail('no-route')
    }
    const { route, virtualHost } = decision
    this.#virtualHost = virtualHost
    this.#route = route
    this.outcome.route = route
    this.outcome.routeName = route.name
    this.outcome.virtualHost = virtualHost.name
    if (!this.#upgradeAllowed(route)) return this.fail('upgrade-refused')
    if (!this.#authorized(route)) return
    const { action } = route
    if (action.kind === 'forward') return this.#forward(action, chunk)
    this.#mutations = mutationsFor(table, virtualHost, route, undefined)
    if (action.kind === 'direct-response') {
      return this.#answer(action.status, Buffer.from(action.body).toString('latin1'), '', 'direct_response')
    }
    if (action.kind === 'redirect') {
      return this.#answer(action.status, '', `location: ${redirectLocation(action, route.match, request)}\r\n`, 'direct_response')
    }
    this.#answer(200, '', '', 'direct_response')
  }

  /** More of the request body has come (host.body.out of `chunk`). */
  onRequestBody(chunk: Buffer): void {
    if (this.finished) return
    this.#kept.add(chunk, this.#host.body.out, this.#upstream !== undefined)
    if (this.#upstream !== undefined && !this.#upstream.send('', chunk, this.#host.body.out)) this.#host.pauseReading()
    if (this.#upstream === undefined) this.#host.pauseReading()
    if (this.#host.body.done) this.#requestComplete()
  }

  /** The client is gone, or its request broke off. */
  onClientGone(failure: 'downstream-closed' | 'downstream-broken'): void {
    if (this.finished) return
    this.#clientGone = true
    this.#letGo()
    markFailure(this.outcome, failure, '')
    this.#finish(false)
  }

  onClientDrain(): void {
    this.#upstream?.resume()
  }

  /** Nothing moved for too long; decided by the connection's watch. */
  onIdle(): void {
    this.fail('stream-idle-timeout')
  }

  onRequestTimeout(): void {
    this.fail('request-timeout')
  }

  /** Answers with a failure of rescue.ts, or cuts the connection when an answer has begun. */
  fail(kind: FailureKind, reason = '', status: number = FAILURES[kind].status): void {
    if (this.finished) return
    this.#letGo()
    if (this.#responseStarted) {
      markFailure(this.outcome, kind, reason)
      this.outcome.details = kind === 'route-timeout' ? 'response_timeout' : FAILURES['response-broken'].details
      return this.#finish(false)
    }
    const failure = FAILURES[kind]
    markFailure(this.outcome, kind, reason)
    this.#send(status, reason === '' ? failure.body : `${failure.body}: ${reason}`, '', failure.closes)
  }

  // ------------------------------------------------------------------------------------------------------------ planning

  #upgradeAllowed(route: Route): boolean {
    const { upgrade } = this.#host.request
    if (upgrade === '') return true
    const onRoute = route.action.kind === 'forward' ? route.action.upgrades.get(upgrade) : undefined
    return onRoute ?? this.#manager.upgrades.has(upgrade)
  }

  #openTunnelHere(): void {
    this.outcome.status = 200
    this.outcome.details = 'direct_response'
    this.#responseStarted = true
    this.#host.openTunnelHere()
    this.#finish(true)
  }

  #authorized(route: Route): boolean {
    if (route.rules === 'disabled') return true
    const rules = route.rules ?? this.#manager.httpRules
    if (rules.length === 0) return true
    const decision = authorize(rules, this.#host.authorizationFacts())
    if (decision.allowed) return true
    this.fail(decision.because === 'policy-invalid' ? 'policy-invalid' : 'access-denied')
    return false
  }

  #forward(action: ForwardAction, chunk: Buffer): void {
    const { services, request } = this.#host
    const chosen = chooseCluster(action, services.random)
    this.#action = action
    this.outcome.clusterName = chosen?.name ?? ''
    const cluster = chosen === undefined ? undefined : services.cluster(chosen.name)
    if (chosen === undefined || cluster === undefined) return this.fail('cluster-not-found', '', action.clusterNotFoundStatus)
    if (action.idleTimeoutMs !== undefined) this.#host.limitIdle(action.idleTimeoutMs)
    this.#cluster = cluster
    this.outcome.cluster = cluster.config
    this.#prepareHead(action, chosen, request.path)
    const { body } = this.#host
    if (!body.done || !body.out.isEmpty) this.#kept.begin()
    this.#kept.add(chunk, body.out, false)
    this.#attempt(chunk)
    if (body.done && !this.finished) this.#requestComplete()
  }

  #prepareHead(action: ForwardAction, chosen: WeightedCluster, path: string): void {
    const { request } = this.#host
    const { routes } = this.#manager
    if (this.#route !== undefined && this.#virtualHost !== undefined) {
      this.#mutations = mutationsFor(routes, this.#virtualHost, this.#route, chosen)
      this.#path = action.pathRewrite === undefined ? path : rewritePath(action.pathRewrite, this.#route.match, path)
    }
    this.#hostToSend = hostOverride(this.#mutations.request) ?? (request.absoluteForm ? request.authority : undefined)
  }

  // ------------------------------------------------------------------------------------------------------------ attempts

  #attempt(chunk: Buffer | undefined): void {
    const cluster = this.#cluster
    if (cluster === undefined) return
    this.outcome.attempts++
    this.#load.begin(cluster)
    const endpoint = this.#pick(cluster)
    if (endpoint === undefined) return this.fail('no-healthy-upstream')
    this.outcome.endpoint = endpoint.config
    const acquired = endpoint.pool.acquire(this)
    if (acquired === 'overflow') return this.fail('overflow')
    this.#load.carry(endpoint)
    if (acquired === 'waiting') {
      this.#waiting = true
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
    const retry = this.#action?.retry
    return cluster.pick(this.#tried, retry?.hostSelectionAttempts ?? 1)
  }

  onConnection(connection: UpstreamConnection): void {
    this.#waiting = false
    this.#sendRequest(connection, undefined)
  }

  /** `chunk` undefined: the body octets are in #kept. */
  #sendRequest(connection: UpstreamConnection, chunk: Buffer | undefined): void {
    this.#upstream = connection
    const { outcome } = this
    outcome.upstreamLocalAddress = connection.localAddress
    outcome.upstreamPrincipal = connection.principal
    outcome.upstreamMutualTls = connection.mutualTls
    const head = this.#requestHead(connection)
    this.#sentMs = this.#host.services.clock.monotonicMs()
    const flowing =
      chunk !== undefined
        ? connection.send(head, chunk, this.#host.body.out)
        : this.#kept.pieces.length === 0
          ? connection.socket.write(head, 'latin1')
          : writePieces(connection.socket, head, this.#kept.pieces)
    const retry = this.#action?.retry
    if (retry === undefined || retry.maxRetries === 0 || !this.#kept.fits) this.#kept.drop()
    if (retry !== undefined) this.#deadlines.startAttempt(retry.perTryTimeoutMs, () => this.#onPerTryTimeout())
    if (flowing && !this.#host.body.done) this.#host.resumeReading()
  }

  #requestHead(connection: UpstreamConnection): string {
    const host = this.#host
    const action = this.#action
    const rewrite = action?.hostRewrite
    return requestHead({
      manager: this.#manager,
      request: host.request,
      path: this.#path,
      host:
        rewrite === undefined ? this.#hostToSend : rewriteHost(rewrite, host.request.authority, this.#load.endpoint?.config.address.host),
      rewritesHost: rewrite !== undefined,
      attempt: this.#virtualHost?.includeAttemptCountInRequest === true ? this.outcome.attempts : 0,
      timeoutMs: expectedTimeoutMs(action, this.#deadlines.remainingMs),
      extraLines: host.clientCertLine + host.services.metadata.linesFor(connection),
      keepsClientCert: host.keepsClientCert,
      externalAddress: externalAddress(host.request, host.facts.remoteIp, this.#manager),
      mutations: this.#mutations.request,
      expand: this.#expand,
    })
  }

  readonly #expand = (template: string): string => this.#host.services.expand(template, this.outcome)

  #requestComplete(): void {
    this.outcome.bytesReceived = this.#host.body.payloadBytes
    if (!this.finished) this.#deadlines.startRoute(this.#action?.timeoutMs, () => this.fail('route-timeout'))
  }

  onUpstreamFailure(failure: FailureKind, reason: string): void {
    const upstream = this.#upstream
    const stale = upstream !== undefined && upstream.served > 0 && !upstream.responding && IDEMPOTENT.has(this.method)
    const neverSent = upstream === undefined
    this.#endAttempt()
    if (this.finished) return
    if (failure === 'upstream-identity') this.outcome.upstreamTransportFailure = reason
    // A kept connection that dies without an answer was most likely closed by the other side before the request reached it; only for
    // methods that may be repeated anyway is that good enough (RFC 9112 9.3.1).
    const result: AttemptResult = { kind: neverSent ? 'connect-failure' : stale ? 'reset-before-request' : 'reset' }
    if (this.#retryAfter(result)) return
    if (this.#responseStarted) return this.fail('response-broken')
    this.fail(failure, failure === 'upstream-reset' ? '' : reason)
  }

  /** Asks whether to try again, and arranges it. */
  #retryAfter(result: AttemptResult): boolean {
    const cluster = this.#cluster
    const retry = this.#action?.retry
    if (cluster === undefined || retry === undefined) return false
    const { services } = this.#host
    const decision = decideRetry(
      retry,
      {
        result,
        attempts: this.outcome.attempts,
        replayable: this.#kept.complete,
        responseStarted: this.#responseStarted,
        activeRetries: cluster.load.activeRetries,
        maxActiveRetries: cluster.load.limits.maxRetries,
        remainingMs: this.#deadlines.remainingMs,
      },
      services.random,
    )
    if (!decision.retry) {
      if (decision.because === 'attempts-spent') addFlag(this.outcome, 'URX')
      if (decision.because === 'budget-spent') addFlag(this.outcome, 'UO')
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
    if (this.#responseStarted || this.finished) return
    this.#letGo()
    if (this.#retryAfter({ kind: 'per-try-timeout' })) return
    this.fail('per-try-timeout')
  }

  /** The attempt is over: give back what it counted. */
  #endAttempt(): void {
    this.#deadlines.endAttempt()
    this.#upstream = undefined
    this.#waiting = false
    this.#load.end()
  }

  /** Gives the upstream up in the middle of its work. */
  #letGo(): void {
    const upstream = this.#upstream
    if (this.#waiting) this.#load.endpoint?.pool.cancel(this)
    this.#endAttempt()
    upstream?.abandon()
  }

  // ------------------------------------------------------------------------------------------------------------ response

  onUpstreamDrain(): void {
    this.#host.resumeReading()
  }

  onInformational(connection: UpstreamConnection): void {
    // RFC 9110 15.2: a proxy forwards 1xx; not to HTTP/1.0 clients.
    const { head } = connection
    if (this.#host.request.head.minorVersion === 0) return
    this.#host.writeText(`${head.text}\r\n`)
  }

  onResponseHead(connection: UpstreamConnection): BodyOutput | 'stop' {
    const { outcome } = this
    const { head } = connection
    const now = this.#host.services.clock.monotonicMs()
    outcome.upstreamServiceTimeMs = now - this.#sentMs
    if (this.#action?.retry !== undefined && head.status >= 400 && this.#retriesOn(connection)) return 'stop'
    this.#kept.drop()
    const { framing, output, closes } = responseFraming(responseBodyKind(head, this.method), this.#host.request.head.minorVersion)
    if (closes) this.#host.mustClose = true
    outcome.status = head.status
    outcome.response = head
    outcome.details = 'via_upstream'
    this.#responseHead = responseHead(head, framing, this.#headInputs(outcome.upstreamServiceTimeMs, this.#host.closesAfter))
    outcome.responseHeadBytes = this.#responseHead.length
    this.#responseStarted = true
    return output
  }

  /** The decision is taken before the connection is let go, because without a retry the answer streams on. */
  #retriesOn(connection: UpstreamConnection): boolean {
    const { status } = connection.head
    const grpcStatus = connection.head.get('grpc-status')
    const result: AttemptResult = { kind: 'response', status, grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus) }
    if (!this.#retryAfter(result)) return false
    this.#letGo()
    return true
  }

  onResponseBody(connection: UpstreamConnection, chunk: Buffer): void {
    const { body } = connection
    const flowing = this.#host.write(this.#responseHead, chunk, body.out)
    this.#responseHead = ''
    if (!body.done) {
      if (!flowing) connection.pause()
      return
    }
    this.outcome.bytesSent = body.payloadBytes
    const requestDone = this.#host.body.done
    this.#endAttempt()
    if (requestDone) connection.release()
    else connection.abandon()
    this.#finish(true)
  }

  onSwitched(connection: UpstreamConnection, rest: Buffer): void {
    const { outcome } = this
    const { head } = connection
    outcome.status = head.status
    outcome.details = 'via_upstream'
    outcome.upstreamServiceTimeMs = this.#host.services.clock.monotonicMs() - this.#sentMs
    // An answer to a question that was not asked: nobody on the client's side would understand the octets that follow.
    if (this.#host.request.upgrade === '') {
      this.#letGo()
      return this.fail('upstream-protocol')
    }
    const text = responseHead(head, 'none', this.#headInputs(undefined, false))
    outcome.response = head
    outcome.responseHeadBytes = text.length
    this.#responseStarted = true
    const socket = connection.detach()
    this.#upstream = undefined
    this.#deadlines.clear()
    this.#host.startTunnel(socket, text, rest, this.#manager.streamIdleTimeoutMs, (result) => {
      outcome.bytesReceived = result.bytesReceived
      outcome.bytesSent = result.bytesSent
      this.#endAttempt()
      connection.detachedClosed()
      this.#finish(false)
    })
  }

  #headInputs(serviceTimeMs: number | undefined, closes: boolean): ResponseHeadInputs {
    const { services, request } = this.#host
    return {
      manager: this.#manager,
      dateLine: services.dateLine.get(),
      serviceTimeMs: serviceTimeMs === undefined ? undefined : Math.floor(serviceTimeMs),
      attempts: this.#virtualHost?.includeAttemptCountInResponse === true ? this.outcome.attempts : 0,
      requestId: request.requestId,
      mutations: this.#mutations.response,
      expand: this.#expand,
      clientMinorVersion: request.head.minorVersion,
      closes,
    }
  }

  // ------------------------------------------------------------------------------------------------------------- the end

  #answer(status: number, body: string, fields: string, details: string): void {
    this.outcome.details = details
    this.#send(status, body, fields, false)
  }

  #send(status: number, body: string, fields: string, closes: boolean): void {
    if (status === 0) return this.#finish(false)
    const { outcome } = this
    outcome.status = status
    if (closes || this.method === 'CONNECT') this.#host.mustClose = true
    const head = localHead(status, body.length, fields, this.#headInputs(undefined, this.#host.closesAfter))
    outcome.responseHeadBytes = head.length
    const visible = this.method === 'HEAD' ? '' : body
    outcome.bytesSent = visible.length
    this.#responseStarted = true
    this.#host.writeText(head + visible)
    this.#finish(true)
  }

  /** @param whole the client got a whole answer. */
  #finish(whole: boolean): void {
    if (this.finished) return
    this.finished = true
    this.#deadlines.clear()
    const { services, body } = this.#host
    const { outcome } = this
    this.#load.close()
    if (outcome.bytesReceived === 0) outcome.bytesReceived = body.payloadBytes
    outcome.durationMs = services.clock.monotonicMs() - this.#startedMs
    services.activity.requests--
    services.recorder.recordHttp(outcome, this.#manager.accessLogs)
    this.#host.exchangeDone(whole && !this.#clientGone)
  }
}
