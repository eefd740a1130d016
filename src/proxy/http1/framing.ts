// How long a message's body is (RFC 9112 6.3), decided once per message from its head. Pure.
import type { BodyKind } from './body-reader.ts'
import type { MessageHead } from './head.ts'

/** A request without either field has no body (6.3 rule 7). */
export function requestBodyKind(head: MessageHead): BodyKind {
  return head.chunked ? 'chunked' : head.contentLength > 0 ? 'length' : 'none'
}

/** A response to HEAD, a 1xx, 204 or 304 has none, whatever its fields say (rule 1); a successful CONNECT is a tunnel (rule 2). */
export function responseBodyKind(head: MessageHead, requestMethod: string): BodyKind {
  const status = head.status
  if (requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none'
  if (requestMethod === 'CONNECT' && status < 300) return 'none'
  if (head.chunked) return 'chunked'
  return head.contentLength >= 0 ? 'length' : 'until-close'
}

/** RFC 9112 9.3: persistent unless it says otherwise; HTTP/1.0 the other way round. */
export function isPersistent(head: MessageHead): boolean {
  return !head.closeOption && (head.minorVersion === 1 || head.keepAliveOption)
}
