// What policies may ask about a request. Made only where a listener has rules.
import { isIP } from 'node:net'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { AuthorizationFacts } from '../decide/authorize.ts'
import { pathWithoutQuery } from '../decide/request-view.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import type { IncomingRequest } from './incoming-request.ts'

export function httpAuthorizationFacts(request: IncomingRequest, peer: DownstreamPeer, manager: HttpConnectionManager): AuthorizationFacts {
  const { facts, destination } = peer
  return {
    path: request.path === '' ? undefined : pathWithoutQuery(request.path),
    destinationIp: destination.host,
    destinationPort: destination.port,
    directRemoteIp: facts.remoteIp,
    remoteIp: clientAddress(request.get('x-forwarded-for'), facts.remoteIp, manager),
    serverName: facts.serverName,
    principals: peer.principals,
    testHeader: (lowerName, test) => request.testAnyHeader(lowerName, test),
  }
}

/** The client's address after x-forwarded-for was judged (Envoy: use_remote_address, xff_num_trusted_hops). */
export function clientAddress(forwardedFor: string | undefined, remoteIp: string, manager: HttpConnectionManager): string {
  if (forwardedFor === undefined) return remoteIp
  const hops = manager.xffNumTrustedHops
  if (manager.useRemoteAddress && hops === 0) return remoteIp
  const addresses = forwardedFor.split(',').map((address) => address.trim())
  // Our own hop's entry, where one is appended, is the last and stands for the peer itself.
  const ownEntries = manager.useRemoteAddress && manager.skipXffAppend ? 0 : 1
  return addresses[addresses.length - ownEntries - hops] ?? remoteIp
}

/** The same for logs: '' where the connection's own address says it, or x-forwarded-for holds no address. */
export function forwardedClient(request: IncomingRequest, remoteIp: string, manager: HttpConnectionManager): string {
  const client = clientAddress(request.received('x-forwarded-for'), remoteIp, manager)
  return client === remoteIp || isIP(client) === 0 ? '' : client
}
