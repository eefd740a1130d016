// The Envoy v3 bootstrap of one instance's sidecar: who it is, where its admin port is, where the control plane is. Pure.
// The same file starts a stock Envoy of the mesh when it is given certificates by other means.
import { nodeId, ROOT_SECRET, WORKLOAD_SECRET } from '../envoy/names.ts'
import type { HostPort, WorkloadAddresses } from '../model/address-plan.ts'

export interface BootstrapInput {
  readonly namespace: string
  /** Name of the instance; `workload` is the LocalWorkload's. */
  readonly name: string
  readonly workload: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly addresses: WorkloadAddresses
  readonly xds: HostPort
  /** What the control plane's certificate must name. */
  readonly controlPlaneSan: string
  readonly version: string
}

/** Cluster of the control plane, under Istio's name. */
const XDS_CLUSTER = 'xds-grpc'

export function sidecarBootstrap(input: BootstrapInput): Record<string, unknown> {
  const { namespace, name, workload, serviceAccount, labels, addresses, version } = input
  return {
    node: {
      id: nodeId({ type: 'sidecar', address: addresses.address, workload: name, namespace, domain: `${namespace}.svc.cluster.local` }),
      cluster: `${labels.app ?? workload}.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        NAME: name,
        WORKLOAD_NAME: workload,
        LABELS: labels,
        SERVICE_ACCOUNT: serviceAccount,
        INSTANCE_IPS: addresses.address,
        CLUSTER_ID: 'Kubernetes',
        LATEEN_VERSION: version,
        CAPABILITIES: [],
      },
    },
    admin: { address: socketAddress(addresses.admin) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }] },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: { clusters: [xdsCluster(input)] },
  }
}

function xdsCluster({ xds, controlPlaneSan }: BootstrapInput): Record<string, unknown> {
  return {
    name: XDS_CLUSTER,
    type: 'STATIC',
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

function socketAddress({ host, port }: HostPort): Record<string, unknown> {
  return { socket_address: { address: host, port_value: port } }
}
