// One listening socket. What happens with accepted connections is somebody else's business, and changes without re-opening it.
import { createServer, type Server, type Socket } from 'node:net'
import { errorCode, errorMessage } from '../../base/errors.ts'
import type { SocketAddress } from '../config/proxy-config.ts'

export interface ListenOptions {
  /** The kernel spreads connections over all data threads that listen there (Linux: SO_REUSEPORT). */
  readonly reusePort?: boolean
  /** On all addresses, IPv6 too where the kernel has it. */
  readonly bothFamilies?: boolean
  /** A connection could not be accepted: no descriptor is left for it. The kernel has it wait, or libuv closes it. */
  readonly onAcceptError?: () => void
}

export class BoundListener {
  readonly address: SocketAddress
  readonly #server: Server

  private constructor(address: SocketAddress, server: Server) {
    this.address = address
    this.#server = server
  }

  /** @returns the listener, or a sentence that says why the address cannot be used and what to do. */
  static open(
    address: SocketAddress,
    onConnection: (socket: Socket) => void,
    { reusePort = false, bothFamilies = false, onAcceptError = ignoreAcceptError }: ListenOptions = {},
  ): Promise<BoundListener | string> {
    return new Promise((resolve) => {
      // Half-open: a client that has sent its request may close its side and still get the answer.
      // TCP_NODELAY is set by whoever serves the connection: a short one of octets needs it never.
      const server = createServer({ allowHalfOpen: true }, onConnection)
      server.once('error', (error) => resolve(problemSentence(address, error)))
      server.listen({ ...(bothFamilies ? {} : { host: address.host }), port: address.port, backlog: 1024, reusePort }, () => {
        server.removeAllListeners('error')
        // Out of file descriptors: accepting goes on when some are free; the listener must not take the process down.
        server.on('error', () => onAcceptError())
        resolve(new BoundListener(address, server))
      })
    })
  }

  /** The port in use; for tests that listen on port 0. */
  get port(): number {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : this.address.port
  }

  /** Stops accepting; accepted connections go on. */
  close(): void {
    this.#server.close()
  }
}

function ignoreAcceptError(): undefined {
  return undefined
}

function problemSentence(address: SocketAddress, error: Error): string {
  const where = `${address.host}:${address.port}`
  const code = errorCode(error)
  if (code === 'EADDRINUSE') return `${where} is in use by another program: stop it, or give this listener another address`
  if (code === 'EACCES') return `${where} may not be opened by this user: ports below 1024 need the capability NET_BIND_SERVICE`
  if (code === 'EADDRNOTAVAIL') return `${where} is not an address of this machine`
  return `${where} cannot be opened: ${errorMessage(error)}`
}
