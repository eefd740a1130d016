// Reads what the control plane sends: bytes to messages, checked as far as a resource can be checked alone, so that a NACK names the
// field. Between ads-state.ts, which knows no resource, and config/assemble.ts, which knows no protocol.
import type { Problem, Result } from '../../base/result.ts'
import type { MessageName } from '../../envoy/any.ts'
import { nameInTypeUrl } from '../../envoy/any.ts'
import type { Codec } from '../../envoy/codec/codec.ts'
import type {
  Cluster,
  ClusterLoadAssignment,
  Listener,
  MessageTypes,
  RouteConfiguration,
  Secret,
  VirtualHost,
} from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE } from '../../envoy/type-urls.ts'
import type { Assembler, Decoded, Received, ReceivedByName, Resources } from '../config/assemble.ts'
import type { DownstreamTls, UpstreamTls } from '../config/proxy-config.ts'
import { type AdsState, EVERYTHING, type ResourceReader, type ResourceRef } from './ads-state.ts'
import { readSecret, type SecretContent } from './read-secret.ts'

export type ReceivedResource =
  | ({ readonly kind: 'listener' } & Received<Listener>)
  | ({ readonly kind: 'cluster' } & Received<Cluster>)
  | ({ readonly kind: 'route' } & Received<RouteConfiguration>)
  | ({ readonly kind: 'virtual-host' } & Received<VirtualHost>)
  | ({ readonly kind: 'endpoints' } & Received<ClusterLoadAssignment>)
  /** The message has a name and nothing else: nobody who shows messages can show a key. */
  | ({ readonly kind: 'secret'; readonly content: SecretContent } & Received<Secret>)

export function resourceReader(codec: Codec, assembler: Assembler): ResourceReader<ReceivedResource> {
  return {
    decode(typeUrl, name, bytes) {
      switch (typeUrl) {
        case LISTENER_TYPE: {
          const message = wire(codec, 'envoy.config.listener.v3.Listener', bytes)
          return message.ok ? checked({ kind: 'listener', ...message.value }, assembler.readListener(message.value)) : message
        }
        case CLUSTER_TYPE: {
          const message = wire(codec, 'envoy.config.cluster.v3.Cluster', bytes)
          return message.ok ? checked({ kind: 'cluster', ...message.value }, assembler.readCluster(message.value)) : message
        }
        case ROUTE_TYPE: {
          const message = wire(codec, 'envoy.config.route.v3.RouteConfiguration', bytes)
          return message.ok ? checked({ kind: 'route', ...message.value }, assembler.readRouteTable(message.value)) : message
        }
        case VIRTUAL_HOST_TYPE: {
          const message = wire(codec, 'envoy.config.route.v3.VirtualHost', bytes)
          return message.ok ? checked({ kind: 'virtual-host', ...message.value }, assembler.readVirtualHost(name, message.value)) : message
        }
        case ENDPOINT_TYPE: {
          const message = wire(codec, 'envoy.config.endpoint.v3.ClusterLoadAssignment', bytes)
          return message.ok ? checked({ kind: 'endpoints', ...message.value }, assembler.readEndpoints(message.value)) : message
        }
        case SECRET_TYPE: {
          const message = wire(codec, 'envoy.extensions.transport_sockets.tls.v3.Secret', bytes)
          if (!message.ok) return message
          const content = readSecret(message.value.message)
          return content.ok ? { ok: true, value: { kind: 'secret', message: { name }, content: content.value } } : content
        }
        default:
          return { ok: false, problems: [{ path: '', message: `resources of type ${nameInTypeUrl(typeUrl)} are not supported` }] }
      }
    },
    references(_typeUrl, resource) {
      if (resource.kind === 'cluster') {
        const decoded = assembler.readCluster(resource).value
        if (decoded === undefined) return []
        const { cluster, edsName } = decoded
        const secrets = secretsOf([cluster.tls, ...cluster.transportMatches.map(({ tls }) => tls)])
        return edsName === undefined ? secrets : [{ typeUrl: ENDPOINT_TYPE, name: edsName }, ...secrets]
      }
      // Envoy asks for all of them, whatever the table; so do we.
      if (resource.kind === 'route') return resource.message.vhds === undefined ? [] : [{ typeUrl: VIRTUAL_HOST_TYPE, name: EVERYTHING }]
      return resource.kind === 'listener' ? neededBy(assembler, resource) : []
    },
  }
}

function neededBy(assembler: Assembler, listener: Received<Listener>): readonly ResourceRef[] {
  const decoded = assembler.readListener(listener).value
  if (decoded === undefined) return []
  const chains = decoded.defaultChain === undefined ? decoded.chains : [...decoded.chains, decoded.defaultChain]
  const routes = chains.flatMap(({ terminal }) =>
    'routes' in terminal && 'rdsName' in terminal.routes ? [{ typeUrl: ROUTE_TYPE, name: terminal.routes.rdsName }] : [],
  )
  return [...routes, ...secretsOf(chains.map(({ chain }) => chain.tls))]
}

/** What TLS asks the control plane for; the workload's own certificate is not among it. */
function secretsOf(settings: readonly (DownstreamTls | UpstreamTls | undefined)[]): readonly ResourceRef[] {
  const sources = settings.flatMap((tls) =>
    tls === undefined ? [] : [tls.certificate, ...(tls.otherCertificates ?? []), tls.validation.trust],
  )
  return sources.flatMap((source) => (source?.kind === 'sds' ? [{ typeUrl: SECRET_TYPE, name: source.name }] : []))
}

function wire<K extends MessageName>(codec: Codec, name: K, bytes: Uint8Array): Result<Received<MessageTypes[K]>> {
  const dropped: Problem[] = []
  const result = codec.decode(name, bytes, { onUnsupported: (path, message) => void dropped.push({ path, message }) })
  return result.ok ? { ok: true, value: { message: result.value, dropped } } : result
}

function checked(resource: ReceivedResource, decoded: Decoded<unknown>): Result<ReceivedResource> {
  return decoded.value === undefined ? { ok: false, problems: decoded.problems } : { ok: true, value: resource }
}

/** Static and held resources as one set; the bootstrap's own win over a control plane's of the same name, as in Envoy. */
export function collectResources(own: Resources): (state: AdsState<ReceivedResource>) => Resources {
  // One object per name for ever: the assembler recognises by identity what is unchanged.
  const emptyAssignments = new Map<string, Received<ClusterLoadAssignment>>()
  const emptyAssignment = (name: string): Received<ClusterLoadAssignment> => {
    const assignment = emptyAssignments.get(name) ?? { message: { clusterName: name } }
    emptyAssignments.set(name, assignment)
    return assignment
  }
  return (state) => {
    // Said not to exist: an empty assignment, so that its cluster answers UH at once and nobody waits for it.
    const absent = [...state.absent(ENDPOINT_TYPE)].map((name) => [name, emptyAssignment(name)] as const)
    const endpoints = new Map<string, Received<ClusterLoadAssignment>>([...absent, ...heldOf(state, ENDPOINT_TYPE, 'endpoints')])
    return {
      listeners: merged(heldOf(state, LISTENER_TYPE, 'listener'), own.listeners),
      clusters: merged(heldOf(state, CLUSTER_TYPE, 'cluster'), own.clusters),
      routes: merged(heldOf(state, ROUTE_TYPE, 'route'), own.routes),
      virtualHosts: heldOf(state, VIRTUAL_HOST_TYPE, 'virtual-host'),
      endpoints: merged(endpoints, own.endpoints),
    }
  }
}

function heldOf<K extends ReceivedResource['kind']>(
  state: AdsState<ReceivedResource>,
  typeUrl: string,
  kind: K,
): Map<string, Extract<ReceivedResource, { kind: K }>> {
  const found = new Map<string, Extract<ReceivedResource, { kind: K }>>()
  for (const [name, { value }] of state.held(typeUrl)) if (isOfKind(value, kind)) found.set(name, value)
  return found
}

function isOfKind<K extends ReceivedResource['kind']>(
  resource: ReceivedResource,
  kind: K,
): resource is Extract<ReceivedResource, { kind: K }> {
  return resource.kind === kind
}

function merged<T>(received: Map<string, Received<T>>, own: ReceivedByName<T>): ReceivedByName<T> {
  for (const [name, resource] of own) received.set(name, resource)
  return received
}
