// The Envoy v3 bootstrap of a proxy of the mesh: who it is, where its admin port is, where the control plane is. Pure. Called by the
// webhook (pods) and by standalone mode (processes), so that a proxy starts the same way in both; a stock Envoy takes it too when it is
// given certificates by other means. Invariant: what the proxy may believe of the control plane (name, roots) is in here, nowhere else.
import { type NodeId, nodeId, ROOT_SECRET, WORKLOAD_SECRET } from './names.ts'

export interface BootstrapAddress {
  readonly host: string
  readonly port: number
}

export interface ProxyBootstrapInput {
  readonly node: NodeId
  /** `node.cluster`: the service's name in traces. */
  readonly cluster: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly admin: BootstrapAddress
  /** An IP address, or a name that is resolved again and again. */
  readonly xds: BootstrapAddress
  /** What the control plane's certificate must name. */
  readonly controlPlaneSan: string
}

/** Cluster of the control plane, under Istio's name. */
const XDS_CLUSTER = 'xds-grpc'

export function proxyBootstrap({ node, cluster, metadata, admin, xds, controlPlaneSan }: ProxyBootstrapInput): Record<string, unknown> {
  return {
    node: { id: nodeId(node), cluster, metadata },
    admin: { address: socketAddress(admin) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }] },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: { clusters: [xdsCluster(xds, controlPlaneSan)] },
  }
}

function xdsCluster(xds: BootstrapAddress, controlPlaneSan: string): Record<string, unknown> {
  return {
    name: XDS_CLUSTER,
    type: isIpAddress(xds.host) ? 'STATIC' : 'STRICT_DNS',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: XDS_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(xds) } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          alpn_protocols: ['h2'],
          tls_certificate_sds_secret_configs: [{ name: WORKLOAD_SECRET }],
          combined_validation_context: {
            default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: controlPlaneSan } }] },
            validation_context_sds_secret_config: { name: ROOT_SECRET },
          },
        },
        sni: controlPlaneSan,
      },
    },
  }
}

/** Envoy refuses a name in a STATIC cluster, and our proxy asks no resolver for an address. */
function isIpAddress(host: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host) || host.includes(':')
}

function socketAddress({ host, port }: BootstrapAddress): Record<string, unknown> {
  return { socket_address: { address: host, port_value: port } }
}
