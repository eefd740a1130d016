// What an exchange asks of the client's side that it serves: an HTTP/1.1 connection (downstream-connection.ts) or an HTTP/2 stream
// (downstream-stream.ts). A type of its own so that they do not import each other. Heads are HTTP/1.1 text; the side writes its own form.
import type { Duplex } from 'node:stream'
import type { AuthorizationFacts } from '../decide/authorize.ts'
import type { BodyKind } from '../http1/body-reader.ts'
import type { MessageBody } from '../http1/message-body.ts'
import type { TunnelResult } from '../sockets/tunnel.ts'
import type { ConnectionFacts, Outcome } from '../telemetry/outcome.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { ResponseFraming } from './response-head.ts'
import type { HttpServices } from './services.ts'

export interface ExchangeHost {
  readonly services: HttpServices
  readonly facts: ConnectionFacts
  readonly protocol: Outcome['protocol']
  readonly request: IncomingRequest
  /** The request's body, as far as it has been read. */
  readonly body: MessageBody
  /** Where the client meant to go. */
  readonly destination: { readonly host: string; readonly port: number }
  /** x-forwarded-client-cert to add, or ''; whether the client's own may travel. */
  readonly clientCertLine: string
  readonly keepsClientCert: boolean
  /** The response will be the connection's last, and its head must say so. */
  readonly closesAfter: boolean
  mustClose: boolean
  /** Octets without messages can pass (CONNECT, an upgrade). */
  readonly canTunnel: boolean
  authorizationFacts(): AuthorizationFacts
  /** How a body of this kind reaches the client. */
  framingOf(kind: BodyKind): ResponseFraming
  /** The head, or '' once it is out, and what `body` says of `chunk`. False: wait for onClientDrain. */
  write(head: string, chunk: Buffer, body: MessageBody): boolean
  /** 1xx. */
  inform(head: string): void
  /** A whole answer of the proxy's own. */
  answer(head: string, content: string): void
  /** The route's own limit on how long nothing may move; 0: none. Holds for this request. */
  limitIdle(idleTimeoutMs: number): void
  pauseReading(): void
  resumeReading(): void
  startTunnel(
    upstream: Duplex,
    head: string,
    rest: Buffer,
    idleTimeoutMs: number | undefined,
    onClose: (result: TunnelResult) => void,
  ): void
  /** CONNECT is accepted: what follows on the connection is what the client says inside the tunnel. */
  openTunnelHere(): void
  /** @param whole the client got a whole answer; otherwise what it has must be cut. */
  exchangeDone(whole: boolean): void
}
