// The head that the upstream gets. Called once per attempt by exchange.ts. What changes and why follows Envoy's connection manager and
// router (conn_manager_utility.cc mutateRequestHeaders, router.cc decodeHeaders), with which test/differential compares us.
import { isIP } from 'node:net'
import type { ForwardAction, HttpConnectionManager } from '../config/proxy-config.ts'
import { FIELD, FIELD_KINDS } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import type { MutationPlan } from './header-mutations.ts'
import { clientAddress } from './http-authorization-facts.ts'
import { type IncomingRequest, overwritesProto } from './incoming-request.ts'
import { isEdgeOnly, isInternalOnly } from './internal-headers.ts'
import { MutatedFields } from './mutated-fields.ts'
import { DROP, KEEP, SANITIZE, travellingLines, travellingValue } from './outgoing-head.ts'
import { isPlainTe, travellingTe } from './te-field.ts'

/** What one attempt adds or replaces. */
export interface RequestHeadInputs {
  readonly manager: HttpConnectionManager
  readonly request: IncomingRequest
  readonly path: string
  /** A route rewrites the path, to the same one perhaps: the application still learns what the client asked (x-envoy-original-path). */
  readonly rewritesPath: boolean
  /** Undefined: the Host line travels as it came. */
  readonly host: string | undefined
  /** A route rewrites Host: the application still learns what the client called (x-envoy-original-host). */
  readonly rewritesHost: boolean
  /** 0: not written. */
  readonly attempt: number
  /** Undefined: no timeout, not written. */
  readonly timeoutMs: number | undefined
  /** Who the peer is, as a line; '' for none. */
  readonly clientCertLine: string
  /** Ready lines of peer metadata. */
  readonly extraLines: string
  readonly keepsClientCert: boolean
  readonly externalAddress: string | undefined
  readonly mutations: MutationPlan | undefined
  readonly expand: (template: string) => string
}

/** Dispositions that hold for every request; the rest is set per request. */
const BASE = new Uint8Array(FIELD_KINDS)
for (const kind of [
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.upgrade,
  FIELD.http2Settings,
  FIELD.peerMetadata,
  FIELD.peerMetadataId,
  FIELD.expectedTimeout,
]) {
  BASE[kind] = DROP
}
BASE[FIELD.envoy] = SANITIZE
const disposition = new Uint8Array(FIELD_KINDS)

export function requestHead(inputs: RequestHeadInputs): string {
  const { request, manager, path } = inputs
  const { head } = request
  const rewritten = inputs.rewritesPath && path !== ''
  const ownProto = overwritesProto(manager)
  const isInternal = manager.useRemoteAddress ? isEdgeOnly : isInternalOnly
  judgeFields(inputs, rewritten, ownProto)
  const own = ownLines(inputs, ownProto)
  const mutated = mutatedFields(inputs, own, isInternal)
  const target = path === '' ? request.authority : path
  let text = `${request.method} ${target} HTTP/1.1\r\n`
  if (inputs.host !== undefined) text += `host: ${inputs.host}\r\n`
  text += travellingLines(head, disposition, droppedNames(mutated, rewritten), isInternal)
  text += mutated?.lines ?? own
  if (rewritten) text += `x-envoy-original-path: ${request.path}\r\n`
  if (inputs.rewritesHost) text += `x-envoy-original-host: ${request.authority}\r\n`
  if (lacksLength(request)) text += 'content-length: 0\r\n'
  if (request.upgrade !== '') text += `connection: upgrade\r\nupgrade: ${request.head.value(FIELD.upgrade) ?? request.upgrade}\r\n`
  if (inputs.extraLines !== '') text += inputs.extraLines
  if (rewritten || mutated !== undefined || inputs.rewritesHost) noteForwarded(inputs, mutated)
  return `${text}\r\n`
}

/** What this proxy adds before the route has its say: a mutation may change or remove it, as Envoy's. */
function ownLines(inputs: RequestHeadInputs, ownProto: boolean): string {
  const { request, manager } = inputs
  let text = ''
  if (request.forwardedFor !== undefined) text += `x-forwarded-for: ${request.forwardedFor}\r\n`
  if (ownProto || !request.head.has(FIELD.forwardedProto)) text += `x-forwarded-proto: ${request.scheme}\r\n`
  if (inputs.externalAddress !== undefined) text += `x-envoy-external-address: ${inputs.externalAddress}\r\n`
  if (!request.keepsRequestId && request.requestId !== '') text += `x-request-id: ${request.requestId}\r\n`
  if (inputs.timeoutMs !== undefined) text += `x-envoy-expected-rq-timeout-ms: ${inputs.timeoutMs}\r\n`
  if (inputs.attempt > 0) text += `x-envoy-attempt-count: ${inputs.attempt}\r\n`
  // RFC 9110 7.6.3: each proxy adds itself behind those before it.
  if (manager.via !== undefined) text += `via: ${manager.via}\r\n`
  text += inputs.clientCertLine
  if (disposition[FIELD.te] === DROP && travellingTe(request.head) === 'trailers') text += 'te: trailers\r\n'
  return text
}

type IsInternal = (head: MessageHead, index: number) => boolean

function mutatedFields(inputs: RequestHeadInputs, own: string, isInternal: IsInternal): MutatedFields | undefined {
  const { request, mutations } = inputs
  // A retry starts from the request as it came.
  request.forwarded = undefined
  if (mutations === undefined) return undefined
  // It is asked again when the answer comes (%REQ()%, logs), and `disposition` is the next request's by then.
  const judged = disposition.slice()
  const mutated = new MutatedFields((name, first) => travellingValue(request.head, name, first, judged, isInternal), own)
  request.forwarded = { path: request.path, authority: request.authority, fields: mutated }
  return mutated.apply(mutations, inputs.expand)
}

/** A rewrite writes the original path last, whatever a mutation said before. */
function droppedNames(mutated: MutatedFields | undefined, rewritten: boolean): ReadonlySet<string> | undefined {
  if (rewritten) mutated?.drop('x-envoy-original-path')
  return mutated?.dropped
}

/** From here on %REQ()% means what the application got (Envoy: the same header map goes through all filters). */
function noteForwarded({ request, path, host }: RequestHeadInputs, fields: MutatedFields | undefined): void {
  request.forwarded = { path, authority: host ?? request.authority, fields }
}

/** RFC 9110 8.6: an empty body of a method that may carry one is announced; Envoy's codec counts these five as bodiless. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT'])

function lacksLength({ head, method, upgrade }: IncomingRequest): boolean {
  return head.contentLength === -1 && !head.chunked && upgrade === '' && !BODILESS.has(method)
}

/** Fills `disposition` for this request. */
function judgeFields(inputs: RequestHeadInputs, rewritten: boolean, ownProto: boolean): void {
  const { request, manager } = inputs
  const { head } = request
  disposition.set(BASE)
  disposition[FIELD.host] = inputs.host === undefined ? KEEP : DROP
  disposition[FIELD.requestId] = request.keepsRequestId ? KEEP : DROP
  disposition[FIELD.forwardedFor] = request.forwardedFor === undefined ? KEEP : DROP
  disposition[FIELD.clientCert] = inputs.keepsClientCert ? KEEP : DROP
  disposition[FIELD.attemptCount] = inputs.attempt > 0 ? DROP : KEEP
  disposition[FIELD.originalPath] = rewritten || manager.useRemoteAddress ? DROP : KEEP
  disposition[FIELD.forwardedProto] = ownProto ? DROP : KEEP
  disposition[FIELD.te] = head.has(FIELD.te) && isPlainTe(head) ? KEEP : DROP
}

/** What the attempt has left (Envoy: x-envoy-expected-rq-timeout-ms): the application need not work longer. */
export function expectedTimeoutMs(action: ForwardAction | undefined, remainingMs: number | undefined): number | undefined {
  const perTryMs = action?.retry?.perTryTimeoutMs
  const routeMs = action?.timeoutMs === undefined ? undefined : Math.max(1, Math.round(remainingMs ?? action.timeoutMs))
  return perTryMs === undefined ? routeMs : Math.min(perTryMs, routeMs ?? perTryMs)
}

/** For the edge alone: the client, as far as trusted hops tell it. */
export function externalAddress(request: IncomingRequest, remoteIp: string, manager: HttpConnectionManager): string | undefined {
  if (!manager.useRemoteAddress) return undefined
  const client = clientAddress(request.received('x-forwarded-for'), remoteIp, manager)
  return isIP(client) === 0 ? remoteIp : client
}
