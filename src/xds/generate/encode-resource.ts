// Messages to bytes, each object once: contributors give the same object for what did not change. Called by generate.ts.
// Route tables are put together from virtual hosts that are encoded once for all the tables they stand in: a mesh of a thousand services
// has a table of a thousand virtual hosts for every namespace, of which a change touches one.
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { RouteConfiguration, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import type { EncodedResource, Resource } from './resources.ts'

const encoded = new WeakMap<Resource, EncodedResource>()

export function encodeResource(resource: Resource): EncodedResource {
  const known = encoded.get(resource)
  if (known !== undefined) return known
  const bytes =
    resource.type === 'envoy.config.route.v3.RouteConfiguration'
      ? encodeTable(resource.message)
      : fullCodec.encode(resource.type, resource.message)
  const made = { version: contentHash(bytes), bytes }
  encoded.set(resource, made)
  return made
}

function encodeTable({ virtualHosts = [], ...others }: RouteConfiguration): Uint8Array {
  return Buffer.concat([fullCodec.encode('envoy.config.route.v3.RouteConfiguration', others), ...virtualHosts.map(encodeVirtualHost)])
}

/** RouteConfiguration.virtual_hosts is field 2, and a message has its length before it. Fields may come in any order on the wire. */
const VIRTUAL_HOSTS_TAG = 0x12
const virtualHostBytes = new WeakMap<VirtualHost, Uint8Array>()

function encodeVirtualHost(virtualHost: VirtualHost): Uint8Array {
  const known = virtualHostBytes.get(virtualHost)
  if (known !== undefined) return known
  const content = fullCodec.encode('envoy.config.route.v3.VirtualHost', virtualHost)
  const bytes = Buffer.concat([Buffer.from([VIRTUAL_HOSTS_TAG, ...varint(content.length)]), content])
  virtualHostBytes.set(virtualHost, bytes)
  return bytes
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}
