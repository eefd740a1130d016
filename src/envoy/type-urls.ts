// The type URLs of the resources on the xDS wire. Extensions are named by `any()` and `unpack()`, which the compiler checks.
import { typeUrl } from './any.ts'

export const LISTENER_TYPE = typeUrl('envoy.config.listener.v3.Listener')
export const ROUTE_TYPE = typeUrl('envoy.config.route.v3.RouteConfiguration')
export const VIRTUAL_HOST_TYPE = typeUrl('envoy.config.route.v3.VirtualHost')
export const CLUSTER_TYPE = typeUrl('envoy.config.cluster.v3.Cluster')
export const ENDPOINT_TYPE = typeUrl('envoy.config.endpoint.v3.ClusterLoadAssignment')
export const SECRET_TYPE = typeUrl('envoy.extensions.transport_sockets.tls.v3.Secret')

/** In the order in which a proxy must learn them, so that no route names a cluster that is not there yet (Envoy's xDS
 *  protocol, 'eventual consistency considerations': make before break). */
export const resourceTypes = [SECRET_TYPE, CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE] as const

/** What operators call them: CDS, EDS, LDS, RDS, SDS. */
export const resourceTypeNames: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: 'CDS',
  [ENDPOINT_TYPE]: 'EDS',
  [LISTENER_TYPE]: 'LDS',
  [ROUTE_TYPE]: 'RDS',
  [VIRTUAL_HOST_TYPE]: 'VHDS',
  [SECRET_TYPE]: 'SDS',
}

/** HTTP/2 paths of the two aggregated discovery streams and of the certificate service. */
export const DELTA_ADS_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
export const STREAM_ADS_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'
export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate'
