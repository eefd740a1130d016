// CONNECT that ends at this proxy. A client that uses a proxy for everything (Node's fetch, undici's ProxyAgent) sends CONNECT also for
// http. Where no route takes the tunnel to an upstream, the requests inside are routed and judged as if they had come without one.
// Invariant: a tunnel opens nothing that its client could not have asked for directly.
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { ExchangeHost } from './exchange-host.ts'

/** Asked when no route matched. Only towards the mesh: nobody outside may turn an inbound or edge listener into a forward proxy. */
export function terminatesConnect({ request, facts, body, protocol }: ExchangeHost, manager: HttpConnectionManager): boolean {
  return (
    protocol !== 'HTTP/2' && request.upgrade === 'connect' && manager.upgrades.has('connect') && facts.direction === 'outbound' && body.done
  )
}
