// How a cluster balances and which HTTP version it speaks: both can be said in an old and a new way, and the new one wins.
import { unpack } from '../../envoy/any.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeHttp2 } from './decode-http2.ts'
import type { Cluster, Http2Options } from './proxy-config.ts'

interface Balancer {
  readonly kind: Cluster['balancer']
  readonly choiceCount: number
}

const LB = 'envoy.extensions.load_balancing_policies'

export function decodeBalancer(
  message: envoy.Cluster,
  discovery: Cluster['discovery'],
  at: string,
  context: DecodeContext,
): Balancer | undefined {
  if (discovery === 'original-destination') return { kind: 'passthrough', choiceCount: 2 }
  if (message.loadBalancingPolicy !== undefined) return fromPolicy(message.loadBalancingPolicy, `${at}load_balancing_policy`, context)
  switch (message.lbPolicy ?? 'ROUND_ROBIN') {
    case 'ROUND_ROBIN':
      return { kind: 'round-robin', choiceCount: 2 }
    case 'LEAST_REQUEST':
      return { kind: 'least-request', choiceCount: message.leastRequestLbConfig?.choiceCount ?? 2 }
    case 'RANDOM':
      return { kind: 'random', choiceCount: 2 }
    default:
      context.unsupported(`${at}lb_policy`, `${message.lbPolicy} is not supported`)
      return context.settings.allowUnsupported ? { kind: 'least-request', choiceCount: 2 } : undefined
  }
}

/** The first policy that is known, as Envoy. */
function fromPolicy(policy: envoy.LoadBalancingPolicy, at: string, context: DecodeContext): Balancer | undefined {
  for (const { typedExtensionConfig } of policy.policies ?? []) {
    const config = typedExtensionConfig?.typedConfig
    if (unpack(config, `${LB}.round_robin.v3.RoundRobin`) !== undefined) return { kind: 'round-robin', choiceCount: 2 }
    const least = unpack(config, `${LB}.least_request.v3.LeastRequest`)
    if (least !== undefined) return { kind: 'least-request', choiceCount: least.choiceCount ?? 2 }
    if (unpack(config, `${LB}.random.v3.Random`) !== undefined) return { kind: 'random', choiceCount: 2 }
    if (unpack(config, `${LB}.cluster_provided.v3.ClusterProvided`) !== undefined) return { kind: 'passthrough', choiceCount: 2 }
  }
  context.unsupported(`${at}.policies`, 'none of the policies is supported')
  return context.settings.allowUnsupported ? { kind: 'least-request', choiceCount: 2 } : undefined
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

export interface UpstreamProtocol {
  readonly protocol: Cluster['upstreamProtocol']
  readonly common: envoy.CoreHttpProtocolOptions | undefined
  readonly http2: Http2Options | undefined
}

export function decodeUpstreamProtocol(message: envoy.Cluster, at: string, context: DecodeContext): UpstreamProtocol {
  const found = saidProtocol(message, at, context)
  // The message is one for both sides, and only connections of clients have an age: without this it would be taken and not obeyed.
  if ((found.common?.maxConnectionDuration ?? 0) > 0)
    context.unsupported(`${at}common_http_protocol_options.max_connection_duration`, 'connections to endpoints have no longest duration')
  return found
}

function saidProtocol(message: envoy.Cluster, at: string, context: DecodeContext): UpstreamProtocol {
  for (const [name, config] of Object.entries(message.typedExtensionProtocolOptions ?? {})) {
    const options = unpack(config, HTTP_OPTIONS)
    if (options === undefined) {
      context.unsupported(`${at}typed_extension_protocol_options["${name}"]`, `'${config['@type']}' is not supported`)
      continue
    }
    const common = options.commonHttpProtocolOptions
    const { useDownstreamProtocolConfig: downstream, explicitHttpConfig: explicit, autoConfig: auto } = options
    if (downstream !== undefined) return { protocol: 'downstream', common, http2: decodeHttp2(downstream.http2ProtocolOptions) }
    if (auto !== undefined) return { protocol: 'auto', common, http2: decodeHttp2(auto.http2ProtocolOptions) }
    const http2 = explicit?.http2ProtocolOptions
    return { protocol: http2 === undefined ? 'http1' : 'http2', common, http2: decodeHttp2(http2) }
  }
  return {
    protocol: message.http2ProtocolOptions === undefined ? 'http1' : 'http2',
    common: message.commonHttpProtocolOptions,
    http2: decodeHttp2(message.http2ProtocolOptions),
  }
}
