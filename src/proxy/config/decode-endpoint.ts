// ClusterLoadAssignment to endpoints, in the order in which they came: from EDS, or inline in a cluster.
import { isIP } from 'node:net'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeTransportLabels, decodeWorkload } from './decode-metadata.ts'
import type { Endpoint, SocketAddress } from './proxy-config.ts'

export interface EndpointRules {
  /** Names are allowed where DNS resolves them; EDS and static clusters take addresses only. */
  readonly allowsNames: boolean
  /** A locality's weight is shared by its endpoints (Envoy: locality_weighted_lb_config). */
  readonly localityWeighted: boolean
}

export function decodeEndpoints(
  assignment: envoy.ClusterLoadAssignment | undefined,
  rules: EndpointRules,
  at: string,
  context: DecodeContext,
): readonly Endpoint[] {
  const factor = assignment?.policy?.overprovisioningFactor
  if (factor !== undefined && factor !== 140)
    context.unsupported(`${at}policy.overprovisioning_factor`, 'a factor other than 140 is not supported')
  return (assignment?.endpoints ?? []).flatMap((locality, index) => decodeLocality(locality, rules, `${at}endpoints[${index}]`, context))
}

function decodeLocality(message: envoy.LocalityLbEndpoints, rules: EndpointRules, at: string, context: DecodeContext): readonly Endpoint[] {
  const { region = '', zone = '', subZone = '' } = message.locality ?? {}
  const locality = [region, zone, subZone].filter((part) => part !== '').join('/')
  const members = message.lbEndpoints ?? []
  const total = members.reduce((sum, each) => sum + (each.loadBalancingWeight ?? 1), 0)
  // Envoy: a locality without a weight gets no traffic once localities are weighted.
  const scale = rules.localityWeighted && total > 0 ? (message.loadBalancingWeight ?? 0) / total : 1
  return members.flatMap((member, index) => {
    const where = `${at}.lb_endpoints[${index}]`
    const address = decodeAddress(member.endpoint?.address, `${where}.endpoint.address`, context)
    if (address === undefined) return []
    if (!rules.allowsNames && isIP(address.host) === 0) {
      context.error(`${where}.endpoint.address`, `'${address.host}' is not an IP address; names need a cluster of type STRICT_DNS`)
    }
    return [
      {
        address,
        weight: (member.loadBalancingWeight ?? 1) * scale,
        priority: message.priority ?? 0,
        locality,
        health: healthOf(member.healthStatus),
        transportLabels: decodeTransportLabels(member.metadata),
        workload: decodeWorkload(member.metadata),
      },
    ]
  })
}

/** Envoy uses degraded endpoints only when the healthy ones do not suffice; here they count as healthy. */
function healthOf(status: envoy.HealthStatus = 'UNKNOWN'): Endpoint['health'] {
  if (status === 'DRAINING') return 'draining'
  return status === 'UNHEALTHY' || status === 'TIMEOUT' ? 'unhealthy' : 'healthy'
}

export function decodeAddress(address: envoy.Address | undefined, at: string, context: DecodeContext): SocketAddress | undefined {
  const socket = address?.socketAddress
  if (socket === undefined) return context.error(at, 'only socket_address is supported')
  if (socket.protocol === 'UDP') return context.error(`${at}.socket_address.protocol`, 'UDP is not supported')
  const host = socket.address ?? ''
  if (host === '') return context.error(`${at}.socket_address.address`, 'an address is needed')
  const port = socket.portValue ?? 0
  if (port < 0 || port > 65_535) return context.error(`${at}.socket_address.port_value`, `${port} is not a port`)
  return { host, port }
}
