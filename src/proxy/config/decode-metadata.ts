// What Istio and our own control plane say about a resource in its metadata: the object it was generated from, the service it is, the
// workload behind an endpoint. Never an error: foreign control planes put other things there, and logs and metrics then say 'unknown'.
import type { JsonObject, JsonValue, Metadata } from '../../envoy/generated/messages.gen.ts'
import type { ResourceMetadata, WorkloadLabels } from './proxy-config.ts'

export const NO_METADATA: ResourceMetadata = { config: undefined, services: [] }

export function decodeMetadata(metadata: Metadata | undefined): ResourceMetadata {
  const istio = metadata?.filterMetadata?.istio
  if (istio === undefined) return NO_METADATA
  const services = Array.isArray(istio.services) ? istio.services : []
  return {
    config: text(istio.config),
    services: services.filter(isObject).map((service) => ({
      host: text(service.host) ?? '',
      name: text(service.name) ?? '',
      namespace: text(service.namespace) ?? '',
    })),
  }
}

/** Istio's "workload;namespace;canonical name;canonical revision;cluster". */
export function decodeWorkload(metadata: Metadata | undefined): WorkloadLabels | undefined {
  const joined = text(metadata?.filterMetadata?.istio?.workload)
  if (joined === undefined) return undefined
  const [workload = '', namespace = '', canonicalName = '', canonicalRevision = '', cluster = ''] = joined.split(';')
  return { workload, namespace, canonicalName, canonicalRevision, cluster }
}

/** filter_metadata['envoy.transport_socket_match']: what a cluster's transport_socket_matches judge. */
export function decodeTransportLabels(metadata: Metadata | undefined): Readonly<Record<string, string>> {
  return stringFields(metadata?.filterMetadata?.['envoy.transport_socket_match'])
}

export function stringFields(object: JsonObject | undefined): Readonly<Record<string, string>> {
  if (object === undefined) return {}
  return Object.fromEntries(Object.entries(object).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
