// What an exchange asks of the connection that it serves. Implemented by downstream-connection.ts; a type of its own so that the two
// do not import each other.
import type { Socket } from 'node:net'
import type { AuthorizationFacts } from '../decide/authorize.ts'
import type { BodyReader } from '../http1/body-reader.ts'
import type { Outflow } from '../http1/outflow.ts'
import type { TunnelResult } from '../sockets/tunnel.ts'
import type { ConnectionFacts } from '../telemetry/outcome.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { HttpServices } from './services.ts'

export interface ExchangeHost {
  readonly services: HttpServices
  readonly facts: ConnectionFacts
  readonly request: IncomingRequest
  /** The request's body, as far as it has been read. */
  readonly body: BodyReader
  /** Where the client meant to go. */
  readonly destination: { readonly host: string; readonly port: number }
  /** x-forwarded-client-cert to add, or ''; whether the client's own may travel. */
  readonly clientCertLine: string
  readonly keepsClientCert: boolean
  /** The response will be the connection's last. */
  readonly closesAfter: boolean
  mustClose: boolean
  authorizationFacts(): AuthorizationFacts
  /** False: wait for onClientDrain. */
  write(head: string, chunk: Buffer, out: Outflow): boolean
  writeText(text: string): void
  /** The route's own limit on how long nothing may move; 0: none. Holds for this request. */
  limitIdle(idleTimeoutMs: number): void
  pauseReading(): void
  resumeReading(): void
  startTunnel(
    upstream: Socket,
    head: string,
    rest: Buffer,
    idleTimeoutMs: number | undefined,
    onClose: (result: TunnelResult) => void,
  ): void
  /** CONNECT is accepted: what follows on the connection is what the client says inside the tunnel. */
  openTunnelHere(): void
  /** @param whole the client got a whole answer; otherwise the connection must be cut. */
  exchangeDone(whole: boolean): void
}
