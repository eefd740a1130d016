// Which protocol an accepted connection speaks, and who serves it: ALPN says it on TLS, the client's preface on plaintext, unless the
// listener fixes it (Envoy: codec_type). Called by sockets/acceptor.ts.
// Invariant: HTTP/1.1 waits for nothing: whether its first octets are HTTP/2's preface is looked at when they come.
import type { Socket } from 'node:net'
import { HTTP2_ALPN } from '../../envoy/alpn.ts'
import { DownstreamConnection } from './downstream-connection.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import { DownstreamSession } from './downstream-session.ts'
import type { HttpBinding, HttpServices } from './services.ts'

export interface HttpConnection {
  close(): void
  /** Closes it if nothing is under way; `quietSinceMs`: and nothing has been since. */
  closeIfIdle(quietSinceMs: number): void
  /** What is under way is finished, more is not served. */
  leave(): void
  rebind(binding: HttpBinding): void
}

/** @param alpn what TLS agreed on, '' for nothing. */
export function serveHttp(
  socket: Socket,
  services: HttpServices,
  binding: HttpBinding,
  peer: DownstreamPeer,
  alpn: string,
  onClosed: () => void,
): HttpConnection {
  const codec = binding.manager.codec ?? 'auto'
  if (codec === 'http2' || (codec === 'auto' && HTTP2_ALPN.has(alpn))) {
    return new DownstreamSession(socket, services, binding, peer, onClosed)
  }
  let current: HttpConnection
  let bound = binding
  const connection = new DownstreamConnection(socket, services, binding, peer, onClosed)
  current = connection
  if (codec === 'auto' && alpn === '') {
    connection.handOver = (first) => {
      const session = new DownstreamSession(socket, services, bound, peer, onClosed)
      current = session
      session.receive(first)
    }
  }
  return {
    close: () => current.close(),
    closeIfIdle: (quietSinceMs) => current.closeIfIdle(quietSinceMs),
    leave: () => current.leave(),
    rebind: (next) => {
      bound = next
      current.rebind(next)
    },
  }
}
