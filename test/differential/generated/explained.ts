// Differences that stay, each as narrow as it can be said; docs/differences.md gives the reason for each.
// Invariant: a difference that no entry covers fails the suite.
import type { Leaf } from '../different-leaves.ts'
import type { GeneratedCase } from './compare.ts'
import type { Pair } from './lab.ts'

export interface Explanation {
  /** As docs/differences.md says it. */
  readonly what: string
  /** @param leaf one leaf as different-leaves.ts writes it */
  readonly covers: (leaf: Leaf, each: GeneratedCase, pair: Pair) => boolean
}

/** The proxy answered by itself: neither application was asked. */
const isLocal = ({ ours, envoy }: Pair): boolean => ours.upstream === undefined && envoy.upstream === undefined

export const EXPLAINED: readonly Explanation[] = [
  {
    what: 'A local answer before the body was read keeps the connection',
    covers: ({ at, envoys }, { request }, pair) =>
      at === 'headers.connection' && envoys === 'close' && isLocal(pair) && request.body !== undefined && request.body !== '',
  },
  {
    what: 'HEAD on a local answer says content-length, as GET',
    covers: ({ at, ours, envoys }, { request }, pair) =>
      at === 'headers.transfer-encoding' && ours === undefined && envoys === 'chunked' && isLocal(pair) && request.method === 'HEAD',
  },
  {
    what: 'HEAD whose answer names no length stays without one',
    covers: ({ at, ours, envoys }, { request }, pair) =>
      at === 'headers.transfer-encoding' && ours === undefined && envoys === 'chunked' && !isLocal(pair) && request.method === 'HEAD',
  },
  {
    what: 'TE of several lines, or without a coding, ends at this hop',
    covers: ({ at, ours }) => at === 'upstream.headers.te' && ours === undefined,
  },
  {
    what: 'HTTP2-Settings is of this hop',
    covers: ({ at, ours }) => at === 'upstream.headers.http2-settings' && ours === undefined,
  },
  {
    what: 'Peer metadata of strangers ends here',
    covers: ({ at, ours, envoys }) =>
      at === 'upstream.headers.x-envoy-peer-metadata-id' && ours === undefined && /^forged(?:, forged)*$/.test(String(envoys)),
  },
  {
    what: 'Location of a direct response with 3xx is the configured one, or none',
    covers: ({ at }, { table }, pair) =>
      at === 'headers.location' && isLocal(pair) && JSON.stringify(table.routeConfig).includes('direct_response'),
  },
  {
    what: 'Redirect to TLS drops the port of plain HTTP',
    covers: ({ at, ours, envoys }, { table }) =>
      at === 'headers.location' &&
      String(envoys).replace(':80/', '/') === ours &&
      JSON.stringify(table.routeConfig).includes('"require_tls":"ALL"'),
  },
  {
    what: '%REQ()% of a repeated header is all its lines',
    covers: ({ at, ours, envoys }, { table, request }) =>
      at.includes('headers.') &&
      JSON.stringify(table.routeConfig).includes('%REQ(') &&
      (request.headers.some(isRepeated) || String(ours).startsWith(`${envoys}, `)),
  },
  {
    what: 'x-request-id in an answer is the one that the logs have, whatever a route makes of it',
    covers: ({ at }, { table }) => at === 'headers.x-request-id' && JSON.stringify(table.routeConfig).includes('x-request-id'),
  },
  {
    what: 'A redirect to the unescaped path names its request',
    covers: ({ at, envoys }, { table }, pair) =>
      at === 'headers.x-request-id' &&
      envoys === undefined &&
      pair.ours.status === 307 &&
      table.connectionManager.path_with_escaped_slashes_action === 'UNESCAPE_AND_REDIRECT',
  },
  {
    what: '%REQ()% in the answer to a request that never left is what came',
    covers: ({ at }, { table }, pair) =>
      at.startsWith('headers.') && isLocal(pair) && pair.ours.status === 503 && JSON.stringify(table.routeConfig).includes('%REQ('),
  },
  {
    what: '%UPSTREAM_CLUSTER% also names a cluster that does not exist',
    covers: ({ at, ours, envoys }) => at.startsWith('headers.') && ours === 'missing' && envoys === undefined,
  },
  {
    what: 'Paths in answers of the proxy itself are as they came',
    covers: ({ at, ours, envoys }, { table }, pair) =>
      at.startsWith('headers.') &&
      isLocal(pair) &&
      JSON.stringify(table.routeConfig).includes('prefix_rewrite') &&
      [ours, envoys].every((value) => String(value).includes('is /')),
  },
  {
    what: 'A request that is refused before it has a route gets no headers of a route',
    covers: ({ at, ours }, _each, pair) => at.startsWith('headers.') && ours === undefined && isLocal(pair) && pair.ours.status === 400,
  },
  {
    what: 'Host of one destination is written once, and the name that the client called is the original one',
    covers: ({ at, ours, envoys }, { table }) =>
      JSON.stringify(table.routeConfig).includes('weighted.test') &&
      (at === 'upstream.headers.x-envoy-original-host' || String(ours).includes(' at ')) &&
      String(envoys).includes('weighted.test'),
  },
  {
    what: 'HTTP/1.0 that asks to keep the connection is kept where the end of the body can be seen',
    covers: ({ at, ours, envoys }, { request }) =>
      at === 'headers.connection' && ours === 'keep-alive' && envoys === 'close' && request.version === '1.0',
  },
  {
    what: '%RESPONSE_CODE% in a local answer is its status',
    covers: ({ at, ours, envoys }, _each, pair) =>
      at.startsWith('headers.') && isLocal(pair) && String(envoys) === String(ours).replaceAll(String(pair.ours.status), '0'),
  },
]

function isRepeated([name]: readonly [string, string], index: number, all: readonly (readonly [string, string])[]): boolean {
  return all.findIndex(([other]) => other.toLowerCase() === name.toLowerCase()) < index
}
