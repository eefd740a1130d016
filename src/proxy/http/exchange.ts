// One request and its answer: plans with the deciding functions, performs (what is forwarded: forwarding.ts), and records exactly once.
// Made for each request by the client's side, an HTTP/1.1 connection or an HTTP/2 stream; it does not know which.
// Invariant: every exchange ends in finish(), once; from then on nothing is written and no timer of it fires.
import type { ForwardAction, HttpConnectionManager, Route, VirtualHost } from '../config/proxy-config.ts'
import { authorize } from '../decide/authorize.ts'
import { matchRoute } from '../decide/match.ts'
import { redirectLocation, redirectToTls } from '../decide/redirect.ts'
import { chooseCluster } from '../decide/weighted.ts'
import { FIELD } from '../http1/fields.ts'
import { FAILURES, type FailureKind } from '../rescue.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import { terminatesConnect } from './connect-tunnel.ts'
import type { ExchangeHost } from './exchange-host.ts'
import { type ForwardedExchange, Forwarding } from './forwarding.ts'
import { DEADLINE_EXCEEDED, grpcLocalFields, isGrpc } from './grpc-answer.ts'
import { mutationsFor, NO_ROUTE_MUTATIONS } from './header-mutations.ts'
import { forwardedClient } from './http-authorization-facts.ts'
import { markFailure } from './mark-outcome.ts'
import { newOutcome } from './new-outcome.ts'
import { localHead, type ResponseHeadInputs } from './response-head.ts'

export class Exchange implements ForwardedExchange {
  readonly method: string
  readonly outcome: Outcome
  readonly host: ExchangeHost
  readonly manager: HttpConnectionManager
  finished = false
  responseStarted = false
  mutations = NO_ROUTE_MUTATIONS
  readonly #startedMs: number
  #virtualHost: VirtualHost | undefined
  #forwarding: Forwarding | undefined
  #clientGone = false

  constructor(host: ExchangeHost, manager: HttpConnectionManager) {
    const { services, request, facts } = host
    this.host = host
    this.manager = manager
    this.#startedMs = services.clock.monotonicMs()
    this.method = request.method
    const outcome = newOutcome(facts, services.clock.nowMs())
    outcome.protocol = host.protocol
    outcome.method = request.method
    outcome.path = request.path
    outcome.authority = request.authority
    outcome.request = request
    outcome.requestHeadBytes = request.head.fieldsEnd + 2
    outcome.requestId = request.requestId
    if (request.head.has(FIELD.forwardedFor)) outcome.clientIp = forwardedClient(request, facts.remoteIp, manager)
    this.outcome = outcome
    services.activity.requests++
  }

  /** Plans and performs. `chunk` carries the body octets that came with the head (host.body.out). */
  start(chunk: Buffer): void {
    const { services, request } = this.host
    if (request.redirectsToPath) return this.#answer(307, '', `location: ${request.path}\r\n`, 'path_normalization_failed')
    const table = this.manager.routes
    const decision = matchRoute(table, request, services.random)
    if (!decision.found) {
      this.#virtualHost = decision.virtualHost
      this.outcome.virtualHost = decision.virtualHost?.name ?? ''
      if (terminatesConnect(this.host, this.manager)) return this.#openTunnelHere()
      if (decision.reason === 'requires-tls') return this.#answer(301, '', `location: ${redirectToTls(request)}\r\n`, 'direct_response')
      return this.fail('no-route')
    }
    const { route, virtualHost } = decision
    this.#virtualHost = virtualHost
    this.outcome.route = route
    this.outcome.routeName = route.name
    this.outcome.virtualHost = virtualHost.name
    if (!this.#upgradeAllowed(route)) return this.fail('upgrade-refused')
    if (!this.#authorized(route)) return
    const { action } = route
    if (action.kind === 'forward') return this.#forward(action, route, virtualHost, chunk)
    this.mutations = mutationsFor(table, virtualHost, route, undefined)
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
    if (!this.finished) this.#forwarding?.onRequestBody(chunk)
  }

  /** The client is gone, or its request broke off. */
  onClientGone(failure: 'downstream-closed' | 'downstream-broken' | 'downstream-reset'): void {
    if (this.finished) return
    this.#clientGone = true
    this.#forwarding?.letGo()
    markFailure(this.outcome, failure, '')
    this.finish(false)
  }

  onClientDrain(): void {
    this.#forwarding?.onClientDrain()
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
    this.#forwarding?.letGo()
    if (this.responseStarted) {
      markFailure(this.outcome, kind, reason, true)
      return this.finish(false)
    }
    const failure = FAILURES[kind]
    markFailure(this.outcome, kind, reason)
    this.#send(
      status,
      reason === '' ? failure.body : `${failure.body}: ${reason}`,
      '',
      failure.closes,
      kind === 'stream-duration' ? DEADLINE_EXCEEDED : undefined,
    )
  }

  // ------------------------------------------------------------------------------------------------------------ planning

  #upgradeAllowed(route: Route): boolean {
    const { upgrade } = this.host.request
    if (upgrade === '') return true
    if (!this.host.canTunnel) return false
    const onRoute = route.action.kind === 'forward' ? route.action.upgrades.get(upgrade) : undefined
    return onRoute ?? this.manager.upgrades.has(upgrade)
  }

  #openTunnelHere(): void {
    this.outcome.status = 200
    this.outcome.details = 'direct_response'
    this.responseStarted = true
    this.host.openTunnelHere()
    this.finish(true)
  }

  #authorized(route: Route): boolean {
    if (route.rules === 'disabled') return true
    const rules = route.rules ?? this.manager.httpRules
    if (rules.length === 0) return true
    const decision = authorize(rules, this.host.authorizationFacts())
    if (decision.allowed) return true
    this.fail(decision.because === 'policy-invalid' ? 'policy-invalid' : 'access-denied')
    return false
  }

  #forward(action: ForwardAction, route: Route, virtualHost: VirtualHost, chunk: Buffer): void {
    const { services } = this.host
    const chosen = chooseCluster(action, services.random)
    this.outcome.clusterName = chosen?.name ?? ''
    this.mutations = mutationsFor(this.manager.routes, virtualHost, route, chosen)
    const cluster = chosen === undefined ? undefined : services.cluster(chosen.name)
    if (chosen === undefined || cluster === undefined) return this.fail('cluster-not-found', '', action.clusterNotFoundStatus)
    this.outcome.cluster = cluster.config
    this.#forwarding = new Forwarding(this, { action, route, virtualHost, chosen, cluster })
    this.#forwarding.start(chunk)
  }

  readonly expand = (template: string): string => this.host.services.expand(template, this.outcome)

  responseInputs(serviceTimeMs: number | undefined, closes: boolean): ResponseHeadInputs {
    const { services, request } = this.host
    return {
      manager: this.manager,
      dateLine: services.dateLine.get(),
      serviceTimeMs: serviceTimeMs === undefined ? undefined : Math.floor(serviceTimeMs),
      attempts: this.#virtualHost?.includeAttemptCountInResponse === true ? this.outcome.attempts : 0,
      requestId: request.get('x-request-id') ?? '',
      mutations: this.mutations.response,
      expand: this.expand,
      clientMinorVersion: request.head.minorVersion,
      closes,
    }
  }

  // ------------------------------------------------------------------------------------------------------------- the end

  #answer(status: number, body: string, fields: string, details: string): void {
    this.outcome.details = details
    this.#send(status, body, fields, false)
  }

  #send(status: number, body: string, fields: string, closes: boolean, grpcStatus?: number): void {
    if (status === 0) return this.finish(false)
    const { outcome, host } = this
    if (closes || this.method === 'CONNECT') host.mustClose = true
    const grpc = isGrpc(host.request.head)
    // A gRPC client reads statuses, not pages: a head alone, which says what HTTP would have said (Envoy: sendLocalReply).
    outcome.status = grpc ? 200 : status
    const inputs = this.responseInputs(undefined, host.closesAfter)
    const head = grpc
      ? localHead(200, 0, grpcLocalFields(status, body, grpcStatus) + fields, inputs)
      : localHead(status, body.length, fields, inputs)
    outcome.responseHeadBytes = head.length
    // RFC 9112 6.3: no octets behind a head that says there are none; the client would read them as its next answer.
    const visible = this.method === 'HEAD' || grpc || status === 204 || status === 304 ? '' : body
    outcome.bytesSent = visible.length
    this.responseStarted = true
    host.answer(head, visible)
    this.finish(true)
  }

  /** @param whole the client got a whole answer. */
  finish(whole: boolean): void {
    if (this.finished) return
    this.finished = true
    const { services, body } = this.host
    const { outcome } = this
    this.#forwarding?.close()
    if (outcome.bytesReceived === 0) outcome.bytesReceived = body.payloadBytes
    outcome.durationMs = services.clock.monotonicMs() - this.#startedMs
    services.activity.requests--
    services.recorder.recordHttp(outcome, this.manager.accessLogs)
    this.host.exchangeDone(whole && !this.#clientGone)
  }
}
