// The channel to the control plane, described by the bootstrap: dynamic_resources.ads_config names a static cluster, which has the
// address and the TLS context. Called once by bin/proxy.ts.
// Invariant: without a root to verify the control plane by there is no connection: whoever gives configuration owns the proxy.
import type { Clock } from '../../base/clock.ts'
import { fail, type Result, succeed } from '../../base/result.ts'
import type { Bootstrap } from '../../envoy/generated/messages.gen.ts'
import { peerNameOf, sanCheck } from '../certs/peer-name.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { Cluster, ProxyConfig, UpstreamTls } from '../config/proxy-config.ts'
import { GrpcChannel, type TlsCredentials } from '../grpc/channel.ts'

/** A whole unscoped mesh in one response; Envoy has no limit here. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024

export interface XdsTarget {
  readonly cluster: Cluster
  readonly host: string
  readonly port: number
}

/** Undefined: the bootstrap is static. */
export function findXdsTarget(bootstrap: Bootstrap, config: ProxyConfig): Result<XdsTarget | undefined> {
  const ads = bootstrap.dynamicResources?.adsConfig
  if (ads === undefined) return succeed(undefined)
  const at = 'dynamic_resources.ads_config'
  const name = ads.grpcServices?.[0]?.envoyGrpc?.clusterName
  if (name === undefined) return fail(`${at}.grpc_services`, 'needs envoy_grpc.cluster_name: the static cluster of the control plane')
  const cluster = config.clusters.get(name)
  if (cluster === undefined) return fail(`${at}.grpc_services[0].envoy_grpc.cluster_name`, `there is no static cluster '${name}'`)
  const endpoint = cluster.endpoints[0]
  if (endpoint === undefined) return fail(`${at}.grpc_services[0].envoy_grpc.cluster_name`, `the cluster '${name}' has no endpoint`)
  return succeed({ cluster, host: endpoint.address.host, port: endpoint.address.port })
}

export function openXdsChannel(target: XdsTarget, secrets: SecretStore, clock: Clock): GrpcChannel {
  const { cluster, host, port } = target
  return new GrpcChannel({
    host,
    port,
    clock,
    credentials: () => (cluster.tls === undefined ? undefined : credentialsOf(cluster.tls, secrets)),
    connectTimeoutMs: cluster.connectTimeoutMs,
    maxMessageBytes: MAX_MESSAGE_BYTES,
  })
}

function credentialsOf(tls: UpstreamTls, secrets: SecretStore): TlsCredentials | string {
  const pair = tls.certificate === undefined ? undefined : secrets.keyPair(tls.certificate).value
  if (tls.certificate !== undefined && pair === undefined) return 'this workload has no certificate yet'
  const { trust, subjectAltNames } = tls.validation
  if (trust === undefined) return 'the control plane cannot be verified: its cluster has no trusted_ca'
  const rootsPem = secrets.roots(trust).value
  if (rootsPem === undefined) return 'the roots to verify the control plane by are not there yet'
  return {
    rootsPem,
    chainPem: pair?.chainPem,
    keyPem: pair?.keyPem,
    serverName: peerNameOf(tls.sni),
    verifyPeer: sanCheck(subjectAltNames),
  }
}
