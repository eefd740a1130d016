// How the agent reaches the application: to the pod's address from 127.0.0.6 (::6), which the rules of `lateen iptables` pass straight on.
// From any other address the connection would be redirected into the proxy, which under STRICT refuses it. Used by probes and scrapes.
// Invariant: where that source address cannot be used (no loopback alias, another system), the call is made without it.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { errorCode } from '../../base/errors.ts'

export interface ApplicationAddress {
  readonly host: string
  readonly port: number
}

/** Undefined: an address outside of the pod, to which loopback is no way. */
export function passthroughSource(host: string, podAddress: string): string | undefined {
  const family = isIP(host)
  const own = host === podAddress || host === 'localhost' || host === '::1' || (family === 4 && host.startsWith('127.'))
  if (!own) return undefined
  return family === 6 ? '::6' : '127.0.0.6'
}

/** ::6 is an address only where the init container has made it one. */
const NO_SUCH_SOURCE = new Set(['EADDRNOTAVAIL', 'EINVAL'])

/** A socket that is connected, or an error. `signal` gives up. */
export async function callApplication({ host, port }: ApplicationAddress, podAddress: string, signal: AbortSignal): Promise<Socket> {
  const to = { host, port }
  const localAddress = passthroughSource(host, podAddress)
  if (localAddress === undefined) return opened(connectPlain(to), signal)
  try {
    return await opened(connectPlain({ ...to, localAddress }), signal)
  } catch (error) {
    if (!NO_SUCH_SOURCE.has(errorCode(error) ?? '')) throw error
    return opened(connectPlain(to), signal)
  }
}

/** Nothing is verified, as a kubelet verifies nothing: probes of HTTPS servers are made against self-signed certificates. */
export async function secureUnverified(socket: Socket, serverName: string, signal: AbortSignal): Promise<Socket> {
  const tls = connectTls({
    socket,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...(serverName === '' || isIP(serverName) !== 0 ? {} : { servername: serverName }),
  })
  return opened(tls, signal, 'secureConnect')
}

function opened<S extends Socket>(socket: S, signal: AbortSignal, event = 'connect'): Promise<S> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', settle)
      socket.off('close', onClose)
      // Whoever gets it deals with later errors; until then they must not end the process.
      socket.on('error', ignoreUntilClose)
      if (error === undefined) return resolve(socket)
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => settle(abortReason(signal))
    const onClose = (): void => settle(new Error('the connection was closed'))
    if (signal.aborted) return settle(abortReason(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', settle)
    socket.once('close', onClose)
    socket.once(event, () => settle())
  })
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('given up')
}

function ignoreUntilClose(): undefined {
  return undefined
}
