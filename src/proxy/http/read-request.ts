// What a parsed request head means to this hop: target, authority, path, upgrade, identity. Called once per request by the client's side,
// HTTP/1.1 or HTTP/2. Invariant: what is routed and authorized is what will be sent on; nothing is decided from the head twice.
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import { type HeadProblem, parseRequestHead } from '../http1/parse-head.ts'
import { hasUnderscoredName, withoutUnderscoredNames } from '../http1/underscored-names.ts'
import type { FailureKind } from '../rescue.ts'
import { canonicalPath } from './canonical-path.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import { type IncomingRequest, overwritesProto, requestScheme } from './incoming-request.ts'
import { parseTarget } from './request-target.ts'
import type { HttpServices } from './services.ts'

/** Fills `request` from its head; a failure is the answer. @param bodyDone the request has no body. */
export function readRequest(
  request: IncomingRequest,
  manager: HttpConnectionManager,
  peer: DownstreamPeer,
  services: HttpServices,
  bodyDone: boolean,
): FailureKind | undefined {
  const { head } = request
  if (!judgeUnderscores(head, manager)) return 'ambiguous-request'
  request.method = head.method
  request.path = head.target
  request.authority = head.value(FIELD.host) ?? ''
  request.scheme = requestScheme(head, peer.facts.tls, manager)
  request.requestId = ''
  request.upgrade = ''
  request.absoluteForm = false
  request.edge = manager.useRemoteAddress
  request.ownsProto = overwritesProto(manager)
  request.forwarded = undefined
  request.redirectsToPath = false
  request.clientCert = peer.clientCertOf(manager)
  const target = parseTarget(head.method, head.target)
  if (head.minorVersion === 0 && !manager.acceptHttp10) return 'http10-refused'
  if (target === undefined) return 'ambiguous-request'
  const canonical = target.path === '*' ? undefined : canonicalPath(target.path, manager)
  if (canonical?.kind === 'refused') return 'ambiguous-request'
  request.path = canonical?.path ?? '*'
  request.redirectsToPath = canonical?.kind === 'redirect'
  if (target.authority !== undefined) {
    request.authority = target.authority
    request.absoluteForm = true
  }
  if (request.authority === '') return 'missing-host'
  request.upgrade = head.method === 'CONNECT' ? 'connect' : upgradeToken(head, bodyDone)
  setIdentity(request, manager, peer, services)
  // After the head was read, so that the log says whose request it was.
  return services.overload.shedsRequests ? 'overload' : undefined
}

/** Where names with an underscore are dropped, the head is parsed anew without their lines. False: refused. */
function judgeUnderscores(head: MessageHead, manager: HttpConnectionManager): boolean {
  if (manager.underscoredNames === 'allow' || !hasUnderscoredName(head)) return true
  if (manager.underscoredNames === 'reject') return false
  return parseRequestHead(head, withoutUnderscoredNames(head), manager.maxRequestHeaders) === undefined
}

function upgradeToken(head: MessageHead, bodyDone: boolean): string {
  const token = head.upgradeOption ? (head.value(FIELD.upgrade) ?? '').toLowerCase() : ''
  // h2c is an offer that may be ignored (RFC 9110 7.8), and most clients that make it expect that. A body would come before the tunnel.
  return token === 'h2c' || !bodyDone ? '' : token
}

function setIdentity(request: IncomingRequest, manager: HttpConnectionManager, peer: DownstreamPeer, services: HttpServices): void {
  const { head } = request
  const ownId = head.value(FIELD.requestId)
  const external = manager.useRemoteAddress && !manager.requestId.preserveExternal
  request.keepsRequestId = ownId !== undefined && ownId !== '' && !(external && manager.requestId.generate)
  request.requestId = request.keepsRequestId ? (ownId ?? '') : manager.requestId.generate ? services.requestIds.next() : ''
  request.forwardedFor = undefined
  if (manager.useRemoteAddress && !manager.skipXffAppend) {
    const before = head.get('x-forwarded-for')
    request.forwardedFor = before === undefined ? peer.facts.remoteIp : `${before},${peer.facts.remoteIp}`
  }
  if (head.has(FIELD.peerMetadata) || peer.facts.peer === undefined) peer.learnPeer(head)
}

export function headFailure(problem: HeadProblem): FailureKind {
  if (problem === 'too-many-fields' || problem === 'too-large') return 'headers-too-large'
  return problem === 'missing-host' || problem === 'several-hosts' ? 'missing-host' : 'ambiguous-request'
}
