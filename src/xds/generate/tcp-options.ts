// What a DestinationRule says of connections that are not read as HTTP: how long they may be silent, how long they may last, which
// endpoint the same client gets, and where a tunnel ends. Used by all listeners that forward connections.
import { isIPv6 } from 'node:net'
import type { TcpProxy } from '../../envoy/generated/messages.gen.ts'
import { policyFor } from '../../model/traffic-policy.ts'
import type { ScopeView } from '../view/proxy-view.ts'

export type TcpOptions = Pick<TcpProxy, 'idleTimeout' | 'maxDownstreamConnectionDuration' | 'hashPolicy' | 'tunnelingConfig'>

export interface TcpDestination {
  readonly host: string
  readonly port: number
  readonly subset: string | undefined
}

/** Of several destinations the first one's rule counts, without its subset (Istio). */
export function tcpOptions({ host, port, subset }: TcpDestination, scope: Pick<ScopeView, 'routedPolicies' | 'isStock'>): TcpOptions {
  const policy = scope.routedPolicies.get(host)
  if (policy === undefined) return {}
  const { pool, balancing, tunnel } = policyFor(policy.traffic, policy.subsets.find(({ name }) => name === subset)?.traffic, port)
  const idle = pool?.tcpIdleTimeoutMs === undefined ? {} : { idleTimeout: pool.tcpIdleTimeoutMs }
  if (!scope.isStock) return idle
  return {
    ...idle,
    ...(pool?.maxConnectionDurationMs === undefined ? {} : { maxDownstreamConnectionDuration: pool.maxConnectionDurationMs }),
    // Bytes carry no header and no cookie.
    ...(balancing?.hash?.key?.kind === 'source-address' ? { hashPolicy: [{ sourceIp: {} }] } : {}),
    ...(tunnel === undefined
      ? {}
      : {
          tunnelingConfig: {
            hostname: `${isIPv6(tunnel.host) ? `[${tunnel.host}]` : tunnel.host}:${tunnel.port}`,
            ...(tunnel.method === 'POST' ? { usePost: true } : {}),
          },
        }),
  }
}
