// What goes out: encoded resources by type and name, each with the hash of its bytes as version. Made by generate, sent by xds/serve.
// Invariant: equal resources have equal bytes, so an unchanged version is never sent again.
import type { MessageName } from '../../envoy/any.ts'
import type { MessageTypes } from '../../envoy/generated/messages.gen.ts'

export interface EncodedResource {
  readonly version: string
  /** The message itself, without its Any. */
  readonly bytes: Uint8Array
}

/** Type URL -> name -> resource. Every type that the mesh serves is there, if only empty. */
export type EnvoyResources = ReadonlyMap<string, ReadonlyMap<string, EncodedResource>>

export type ResourceMap = ReadonlyMap<string, EncodedResource>

/** The resources of one type in two parts that have no name in common: the first is one object for all proxies that get the same. */
export interface ResourceParts {
  readonly shared: ResourceMap
  readonly own: ResourceMap
}

/** As EnvoyResources, in parts: what is sent, so that what many proxies have in common is compared and written once for all of them. */
export type ServedResources = ReadonlyMap<string, ResourceParts>

export const NO_RESOURCES: ResourceMap = new Map()

/** For whoever has no use for parts. */
export function allShared(resources: EnvoyResources): ServedResources {
  return new Map([...resources].map(([typeUrl, shared]) => [typeUrl, { shared, own: NO_RESOURCES }]))
}

export type ResourceMessageName = Extract<
  MessageName,
  | 'envoy.config.cluster.v3.Cluster'
  | 'envoy.config.endpoint.v3.ClusterLoadAssignment'
  | 'envoy.config.listener.v3.Listener'
  | 'envoy.config.route.v3.RouteConfiguration'
  | 'envoy.config.route.v3.VirtualHost'
  | 'envoy.extensions.transport_sockets.tls.v3.Secret'
>

/** A message before it is encoded. */
export type Resource = {
  readonly [K in ResourceMessageName]: { readonly type: K; readonly name: string; readonly message: MessageTypes[K] }
}[ResourceMessageName]
