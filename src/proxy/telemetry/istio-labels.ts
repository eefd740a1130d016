// Istio's label set for one outcome, from either side of the connection (istio standard metrics). Built once per cell, not per request.
// Missing values are 'unknown', a missing revision 'latest'. Only the destination knows whether the connection was mutual TLS.
import { BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER, parseClusterName } from '../../envoy/names.ts'
import type { Cluster, WorkloadLabels } from '../config/proxy-config.ts'
import type { Labels } from './metrics.ts'
import type { Outcome, PeerLabels } from './outcome.ts'

export type RequestProtocol = 'http' | 'grpc' | 'tcp'

/** This proxy's workload, as both reporters name it. */
export interface Self {
  readonly labels: PeerLabels
  /** `spiffe://...` of this workload; '' while it has no certificate. */
  principal(): string
}

export function istioLabels(outcome: Outcome, self: Self, protocol: RequestProtocol, grpcStatus: string): Labels {
  const atSource = outcome.connection.direction === 'outbound'
  const source = atSource ? fromPeer(self.labels) : fromPeer(outcome.connection.peer)
  const destination = atSource ? fromWorkload(outcome.endpoint?.workload) : fromPeer(self.labels)
  const service = serviceOf(outcome)
  return {
    reporter: atSource ? 'source' : 'destination',
    ...side('source', source, sourcePrincipal(outcome, self, atSource)),
    ...side('destination', destination, destinationPrincipal(outcome, atSource)),
    destination_service: known(service.host),
    destination_service_name: known(service.name),
    destination_service_namespace: known(service.namespace),
    request_protocol: protocol,
    ...(protocol === 'tcp' ? {} : { response_code: String(outcome.status), grpc_response_status: grpcStatus }),
    response_flags: outcome.flags === '' ? '-' : outcome.flags,
    connection_security_policy: atSource ? 'unknown' : outcome.connection.mutualTls ? 'mutual_tls' : 'none',
  }
}

function sourcePrincipal(outcome: Outcome, self: Self, atSource: boolean): string {
  if (!atSource) return outcome.connection.peerPrincipal
  return outcome.upstreamMutualTls ? self.principal() : ''
}

function destinationPrincipal(outcome: Outcome, atSource: boolean): string {
  if (atSource) return outcome.upstreamPrincipal
  return outcome.connection.mutualTls ? outcome.connection.localPrincipal : ''
}

type SideLabels = Omit<PeerLabels, never>

const NOBODY: SideLabels = { workload: '', namespace: '', app: '', version: '', canonicalName: '', canonicalRevision: '', cluster: '' }

function fromPeer(peer: PeerLabels | undefined): SideLabels {
  return peer ?? NOBODY
}

/** An endpoint's metadata has no app and version of its own; they are the canonical name and revision, of which they are the source. */
function fromWorkload(workload: WorkloadLabels | undefined): SideLabels {
  return workload === undefined ? NOBODY : { ...workload, app: workload.canonicalName, version: workload.canonicalRevision }
}

function side(name: 'source' | 'destination', labels: SideLabels, principal: string): Labels {
  return {
    [`${name}_workload`]: known(labels.workload),
    [`${name}_workload_namespace`]: known(labels.namespace),
    [`${name}_principal`]: known(principal),
    [`${name}_app`]: known(labels.app),
    [`${name}_version`]: known(labels.version),
    [`${name}_canonical_service`]: known(labels.canonicalName),
    [`${name}_canonical_revision`]: labels.canonicalRevision === '' ? 'latest' : labels.canonicalRevision,
    [`${name}_cluster`]: known(labels.cluster),
  }
}

function known(value: string): string {
  return value === '' ? 'unknown' : value
}

interface ServiceName {
  readonly host: string
  readonly name: string
  readonly namespace: string
}

const UNKNOWN_SERVICE: ServiceName = { host: '', name: '', namespace: '' }
const BUILT_IN: ReadonlySet<string> = new Set([PASSTHROUGH_CLUSTER, BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER])

/** The service of the cluster's metadata, else what the cluster's name says. Never the request's Host: anybody can write that. */
function serviceOf({ cluster, clusterName }: Outcome): ServiceName {
  if (BUILT_IN.has(clusterName)) return { host: clusterName, name: clusterName, namespace: '' }
  return cluster?.metadata.services[0] ?? fromName(cluster, clusterName)
}

function fromName(cluster: Cluster | undefined, clusterName: string): ServiceName {
  const host = parseClusterName(cluster?.name ?? clusterName)?.host ?? ''
  if (host === '') return UNKNOWN_SERVICE
  const [name = '', namespace = '', kind] = host.split('.')
  return kind === 'svc' ? { host, name, namespace } : { host, name: host, namespace: '' }
}
