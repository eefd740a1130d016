// The part of WebSocket's handshake that HTTP/2 does not have (RFC 8441 5: no key, no proof), for the side that still wants it: a server
// on HTTP/1.1 gets a key, a client on HTTP/1.1 the proof. What travels between two sides that have it is left alone.
import { createHash } from 'node:crypto'
import type { MessageHead } from '../http1/head.ts'
import type { IncomingRequest } from './incoming-request.ts'

/** RFC 6455 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** For a request of HTTP/2, which came without a key: 16 octets as base64. Nobody checks the proof, so the request's id is as good as chance. */
export function handshakeLines({ upgrade, head, requestId }: IncomingRequest): string {
  if (upgrade !== 'websocket' || head.get('sec-websocket-key') !== undefined) return ''
  const octets = createHash('sha1').update(requestId).digest().subarray(0, 16)
  return `sec-websocket-key: ${octets.toString('base64')}\r\n`
}

/** For a client that sent a key and gets an answer without the proof. */
export function proofLine({ upgrade, head }: IncomingRequest, answer: MessageHead): string {
  const key = upgrade === 'websocket' ? head.get('sec-websocket-key') : undefined
  if (key === undefined || answer.get('sec-websocket-accept') !== undefined) return ''
  const proof = createHash('sha1').update(key + GUID)
  return `sec-websocket-accept: ${proof.digest('base64')}\r\n`
}
