// Resources as people and Envoy read them: decoded from the very bytes that go out, in Envoy's JSON form.
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import type { EnvoyResources, ResourceMessageName } from '../../src/xds/generate/resources.ts'

export type Json = Record<string, unknown>

export const FILES: Readonly<Record<string, { readonly typeUrl: string; readonly message: ResourceMessageName }>> = {
  listeners: { typeUrl: LISTENER_TYPE, message: 'envoy.config.listener.v3.Listener' },
  routes: { typeUrl: ROUTE_TYPE, message: 'envoy.config.route.v3.RouteConfiguration' },
  clusters: { typeUrl: CLUSTER_TYPE, message: 'envoy.config.cluster.v3.Cluster' },
  endpoints: { typeUrl: ENDPOINT_TYPE, message: 'envoy.config.endpoint.v3.ClusterLoadAssignment' },
}

/** File name (without ending) -> resources by name. */
export function toEnvoyJson(resources: EnvoyResources): Record<string, Json[]> {
  return Object.fromEntries(
    Object.entries(FILES).map(([file, { typeUrl, message }]) => [
      file,
      [...(resources.get(typeUrl)?.values() ?? [])].map(({ bytes }) => {
        const decoded = fullCodec.decode(message, bytes)
        if (!decoded.ok) throw new Error(`${message}: ${JSON.stringify(decoded.problems)}`)
        return fullCodec.toJson(message, decoded.value, { names: 'snake' })
      }),
    ]),
  )
}
