// Opens one connection to an endpoint, plaintext or TLS, and says in one word why it could not. Used by the HTTP pools and by TCP.
// Invariant: `opened` is called at most once, and only for a peer whose identity was checked.
import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { errorCode, errorMessage } from '../../base/errors.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import type { TcpKeepalive } from '../config/proxy-config.ts'
import type { FailureKind } from '../rescue.ts'
import { NO_NAMES, namesAllowed, namesOfPeer } from '../sockets/peer-names.ts'
import { tlsProblem } from '../sockets/tls-problem.ts'
import type { ReadBuffer, ReadTarget } from './read-buffer.ts'
import type { TlsTransport } from './transport.ts'

export interface ConnectTarget {
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  readonly bindAddress: string | undefined
  readonly keepalive?: TcpKeepalive | undefined
  readonly transport: TlsTransport | undefined
  /** What is offered, where `transport` is TLS. */
  readonly alpn?: readonly string[]
  readonly tickets: TicketBox
}

/** The newest session ticket of one endpoint and transport, with what the full handshake had established. */
export interface TicketBox {
  ticket: Buffer | undefined
  generation: number
  principal: string
  /** The end of the peer's certificate: a resumed session shows none, and must not outlive the one that it was established by. */
  notAfterMs: number
  fullHandshakes: number
  resumedHandshakes: number
}

export function createTicketBox(): TicketBox {
  return { ticket: undefined, generation: 0, principal: '', notAfterMs: 0, fullHandshakes: 0, resumedHandshakes: 0 }
}

export interface Opened<R extends ReadTarget = ReadBuffer> {
  readonly socket: Socket
  /** `spiffe://...` of the verified peer, '' without TLS. */
  readonly principal: string
  readonly mutualTls: boolean
  readonly alpn: string
  /** What the socket reads into, when it was asked for; the socket then emits no 'data'. */
  readonly reader: R | undefined
}

export interface ConnectHandler<R extends ReadTarget = ReadBuffer> {
  opened(connection: Opened<R>): void
  failed(failure: FailureKind, reason: string): void
}

export interface ConnectServices {
  readonly clock: Clock
  readonly wheel: TimerWheel
  /** Undefined: the system's, anew for each connection. */
  readonly lookup?: LookupFunction
}

/** Starts connecting; the returned function gives up.
 *  @param noDelay false: whoever writes to it sets TCP_NODELAY when it matters. */
export function openConnection<R extends ReadTarget = ReadBuffer>(
  target: ConnectTarget,
  services: ConnectServices,
  handler: ConnectHandler<R>,
  reader?: R,
  noDelay = true,
): () => void {
  const { transport } = target
  const context = transport?.secureContext()
  if (transport !== undefined && context === undefined) return openWhenReady(transport, target, services, handler, reader)
  let settled = false
  const address = {
    host: target.host,
    port: target.port,
    allowHalfOpen: true,
    noDelay,
    onread: reader?.options,
    lookup: services.lookup,
    localAddress: target.bindAddress,
  }
  const socket: Socket =
    transport === undefined || context === undefined
      ? connectTcp(address)
      : connectTls({
          ...address,
          secureContext: context,
          servername: transport.tls.sni ?? '',
          ALPNProtocols: [...(target.alpn ?? transport.tls.alpn)],
          rejectUnauthorized: transport.verifies,
          // Names are judged below by Envoy's rules, not by the host name.
          checkServerIdentity: () => undefined,
          ...sessionOf(target.tickets, transport, services.clock),
        })
  const { keepalive } = target
  if (keepalive !== undefined) {
    const { afterMs, intervalMs, probes } = keepalive
    socket.setKeepAlive({ enable: true, initialDelay: afterMs, interval: intervalMs, count: probes })
  }
  let tcpConnected = false
  const deadline = services.wheel.after(target.connectTimeoutMs, () => finish('connect-timeout', 'connection_timeout'))
  socket.on('error', (error) => {
    const failure = transport !== undefined && tcpConnected ? 'upstream-identity' : 'connect-failure'
    finish(failure, failure === 'upstream-identity' ? tlsProblem(error) : describeConnectError(error))
  })
  socket.on('close', () => finish(tcpConnected ? 'upstream-identity' : 'connect-failure', 'the peer closed the connection'))
  socket.on('connect', () => {
    tcpConnected = true
    if (transport === undefined) succeed({ socket, principal: '', mutualTls: false, alpn: '', reader })
  })
  if (transport !== undefined)
    watchHandshake(socket as TLSSocket, transport, target.tickets, services, (peer) => succeed({ ...peer, reader }), finish)

  function succeed(opened: Opened<R>): void {
    if (settled) return
    settled = true
    services.wheel.cancel(deadline)
    socket.removeAllListeners('error')
    socket.removeAllListeners('close')
    socket.removeAllListeners('connect')
    handler.opened(opened)
  }

  function finish(failure: FailureKind, reason: string): void {
    if (settled) return
    settled = true
    abandon()
    handler.failed(failure, reason)
  }

  function abandon(): void {
    settled = true
    services.wheel.cancel(deadline)
    socket.destroy()
  }

  return abandon
}

function sessionOf({ ticket, generation, notAfterMs }: TicketBox, transport: TlsTransport, clock: Clock): { readonly session?: Buffer } {
  const usable = ticket !== undefined && generation === transport.generation && clock.nowMs() < notAfterMs
  return usable ? { session: ticket } : {}
}

/** The first certificate is on its way: who connects before it came waits for it, no longer than for any other obstacle. */
function openWhenReady<R extends ReadTarget>(
  transport: TlsTransport,
  target: ConnectTarget,
  services: ConnectServices,
  handler: ConnectHandler<R>,
  reader: R | undefined,
): () => void {
  const stopWaiting = (): void => {
    services.wheel.cancel(deadline)
    stop()
  }
  let abandon = stopWaiting
  const deadline = services.wheel.after(target.connectTimeoutMs, () => {
    stop()
    handler.failed('upstream-identity', 'TLS_error: no certificate or roots for this connection yet')
  })
  const stop = transport.whenReady(() => {
    services.wheel.cancel(deadline)
    abandon = openConnection(target, services, handler, reader)
  })
  return () => abandon()
}

function watchHandshake(
  socket: TLSSocket,
  transport: TlsTransport,
  tickets: TicketBox,
  services: ConnectServices,
  succeed: (opened: Omit<Opened, 'reader'>) => void,
  fail: (failure: FailureKind, reason: string) => void,
): void {
  const { generation } = transport
  let principal = ''
  let { notAfterMs } = tickets
  socket.once('secureConnect', () => {
    const resumed = socket.isSessionReused()
    if (resumed) {
      tickets.resumedHandshakes++
      principal = tickets.principal
    } else {
      tickets.fullHandshakes++
      const certified = namesOfPeer(socket)
      const names = certified ?? NO_NAMES
      if (transport.verifies && !namesAllowed(transport.tls.validation, names)) {
        const presented = [...names.uris, ...names.dns].join(', ') || 'no names'
        fail('upstream-identity', `TLS_error: verify SAN list: the peer presents ${presented}`)
        return
      }
      if (certified !== undefined && names.notAfterMs < services.clock.nowMs()) {
        fail('upstream-identity', 'TLS_error: certificate has expired')
        return
      }
      principal = names.uris[0] ?? ''
      notAfterMs = names.notAfterMs
    }
    const mutualTls = transport.tls.certificate !== undefined && transport.verifies
    succeed({ socket, principal, mutualTls, alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '' })
  })
  // TLS 1.3 sends tickets after the handshake, several of them; the newest serves the next connection.
  socket.on('session', (ticket) => {
    tickets.ticket = ticket
    tickets.generation = generation
    tickets.principal = principal
    tickets.notAfterMs = notAfterMs
  })
}

function describeConnectError(error: Error): string {
  const code = errorCode(error)
  if (code === 'ECONNREFUSED') return 'delayed_connect_error: Connection refused'
  return `delayed_connect_error: ${code ?? errorMessage(error)}`
}
