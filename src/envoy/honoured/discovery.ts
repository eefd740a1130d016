// What our proxy honours of Envoy's messages: ADS itself and the stream. See ../honoured.ts.
import type { Honoured } from './honoured-fields.ts'

export const DISCOVERY = {
  'envoy.config.core.v3.AggregatedConfigSource': [],
  'envoy.config.core.v3.SelfConfigSource': [],
  'envoy.config.core.v3.ConfigSource': ['ads', 'self', 'apiConfigSource', 'initialFetchTimeout', 'resourceApiVersion'],
  'envoy.config.core.v3.ApiConfigSource': ['apiType', 'transportApiVersion', 'grpcServices', 'setNodeOnFirstMessageOnly'],
  'envoy.config.core.v3.GrpcService': ['envoyGrpc', 'timeout', 'initialMetadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['clusterName', 'authority'],
  'envoy.config.core.v3.ControlPlane': ['identifier'],
  'envoy.service.discovery.v3.DiscoveryRequest': ['versionInfo', 'node', 'resourceNames', 'typeUrl', 'responseNonce', 'errorDetail'],
  'envoy.service.discovery.v3.DiscoveryResponse': ['versionInfo', 'resources', 'typeUrl', 'nonce', 'controlPlane'],
  'envoy.service.discovery.v3.DeltaDiscoveryRequest': [
    'node',
    'typeUrl',
    'resourceNamesSubscribe',
    'resourceNamesUnsubscribe',
    'initialResourceVersions',
    'responseNonce',
    'errorDetail',
  ],
  'envoy.service.discovery.v3.DeltaDiscoveryResponse': [
    'systemVersionInfo',
    'resources',
    'typeUrl',
    'nonce',
    'removedResources',
    'controlPlane',
  ],
  'envoy.service.discovery.v3.Resource': ['name', 'version', 'resource', 'aliases'],
  'google.rpc.Status': ['code', 'message', 'details'],
  'istio.v1.auth.IstioCertificateRequest': ['csr', 'validityDuration', 'metadata'],
  'istio.v1.auth.IstioCertificateResponse': ['certChain'],
} as const satisfies Honoured
