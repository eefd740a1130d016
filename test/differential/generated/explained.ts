// Differences that stay, each as narrow as it can be said; docs/differences.md gives the reason for each.
// Invariant: a difference that no entry covers fails the suite.
import type { Leaf } from '../different-leaves.ts'
import type { GeneratedCase } from './compare.ts'
import type { Pair } from './lab.ts'
import { type GeneratedRequest, listOf, objectOf } from './request.ts'
import type { GeneratedTable, Json } from './table.ts'

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
    what: 'HTTP2-Settings is of this hop',
    covers: ({ at, ours }) => at === 'upstream.headers.http2-settings' && ours === undefined,
  },
  {
    what: 'Peer metadata of strangers ends here',
    covers: ({ at, ours, envoys }) =>
      at === 'upstream.headers.x-envoy-peer-metadata-id' && ours === undefined && /^forged(?:, forged)*$/.test(String(envoys)),
  },
  {
    what: 'Redirect to TLS drops the port of plain HTTP',
    covers: ({ at, ours, envoys }, { table }) =>
      at === 'headers.location' &&
      String(envoys).replace(':80/', '/') === ours &&
      JSON.stringify(table.routeConfig).includes('"require_tls":"ALL"'),
  },
  {
    what: 'A redirect to the unescaped path names its request',
    covers: ({ at, ours, envoys }, { table, request }, pair) =>
      at === 'headers.x-request-id' &&
      ours === '<uuid>' &&
      (envoys === undefined || request.headers.some(([name, value]) => name === at.slice('headers.'.length) && value === envoys)) &&
      pair.ours.status === 307 &&
      table.connectionManager.path_with_escaped_slashes_action === 'UNESCAPE_AND_REDIRECT',
  },
  {
    what: 'Connection: close wins over keep-alive',
    covers: ({ at, ours, envoys }, { request }) =>
      at === 'headers.connection' &&
      ours === 'close' &&
      envoys === 'keep-alive' &&
      request.version === '1.0' &&
      hasOptions(request, 'close', 'keep-alive'),
  },
  {
    what: 'HTTP/1.0 that asks to keep the connection is kept where the end of the body can be seen',
    covers: ({ at, ours, envoys }, { request }) =>
      at === 'headers.connection' && ours === 'keep-alive' && envoys === 'close' && request.version === '1.0',
  },
  {
    what: 'A local answer before the body was read keeps the connection',
    covers: ({ at, ours, envoys }, { request }, pair) =>
      at === 'headers.connection' && ours === undefined && envoys === 'close' && isLocal(pair) && (request.body ?? '') !== '',
  },
  {
    what: 'Location of a direct response with 3xx is the configured one, or none',
    covers: ({ at }, { table }, pair) =>
      at === 'headers.location' &&
      isLocal(pair) &&
      some(table.routeConfig, 'direct_response', hasStatus(pair.ours.status)) &&
      [302, 304].includes(pair.ours.status),
  },
  {
    what: 'x-request-id in an answer is the one that the logs have, whatever a route makes of it',
    covers: ({ at }, { table }) =>
      at === 'headers.x-request-id' && (['request', 'response'] as const).some((of) => mutates(table, of, 'x-request-id')),
  },
  {
    what: '%REQ()% in the answer to a request that never left is what came',
    covers: ({ at }, { table }, pair) => isLocal(pair) && pair.ours.status === 503 && saysInAnswer(table, at, /%REQ\(/),
  },
  {
    what: '%UPSTREAM_CLUSTER% also names a cluster that does not exist',
    covers: ({ at, ours, envoys }, { table }, pair) =>
      isLocal(pair) &&
      // Or something overwrites what Envoy has not written.
      (envoys === undefined || String(ours).split(', ').includes('missing')) &&
      some(table.routeConfig, 'cluster', (name) => name === 'missing') &&
      saysInAnswer(table, at, /%UPSTREAM_CLUSTER%/),
  },
  {
    what: '%REQ(:path)% in a redirect is the path that came',
    covers: ({ at }, { table }, pair) =>
      isLocal(pair) &&
      REDIRECTS.has(pair.ours.status) &&
      some(table.routeConfig, 'redirect', hasPrefixRewrite) &&
      saysInAnswer(table, at, /:path/),
  },
  {
    what: 'A request that is answered before it has a route gets no headers of a route',
    covers: ({ at, ours, envoys }, { table, request }, pair) =>
      isLocal(pair) &&
      BEFORE_ROUTE.get(pair.ours.status) === table.connectionManager.path_with_escaped_slashes_action &&
      at.startsWith('headers.') &&
      String(envoys).endsWith(String(ours ?? '')) &&
      mutates(table, 'response', at.slice('headers.'.length)) &&
      // Envoy finds no route without it, and it has not yet written its own.
      request.headers.some(([name]) => name === 'x-forwarded-proto'),
  },
  {
    what: 'A request that is refused for its path gets no id',
    covers: ({ at, ours, envoys }, { table, request }, pair) =>
      at === 'headers.x-request-id' &&
      ours === undefined &&
      isLocal(pair) &&
      pair.ours.status === 400 &&
      table.connectionManager.path_with_escaped_slashes_action === 'REJECT_REQUEST' &&
      request.headers.some(([name, value]) => name === 'x-request-id' && value === envoys),
  },
  {
    what: 'Host of one destination is written once, and the name that the client called is the original one',
    covers: ({ at, ours, envoys }, { table }) =>
      some(table.routeConfig, 'host_rewrite_literal', (name) => name === 'weighted.test') &&
      String(envoys).includes('weighted.test') &&
      (at === 'upstream.headers.x-envoy-original-host' || (saysAuthority(table) && beforeAuthority(ours) === beforeAuthority(envoys))),
  },
  {
    what: 'x-forwarded-proto of a trusted hop says the scheme, whatever the target says',
    covers: ({ at, ours, envoys }, { request }, pair) =>
      at === 'headers.location' &&
      isLocal(pair) &&
      REDIRECTS.has(pair.ours.status) &&
      request.target.startsWith('http://') &&
      request.headers.some(([name, value]) => name === 'x-forwarded-proto' && value === 'https') &&
      String(ours).replace(/^https:/, 'http:') === envoys,
  },
  {
    what: '%RESPONSE_CODE% in a local answer is its status',
    covers: ({ at, ours, envoys }, { table }, pair) =>
      isLocal(pair) &&
      saysInAnswer(table, at, /%RESPONSE_CODE%/) &&
      String(envoys) === String(ours).replaceAll(String(pair.ours.status), '0'),
  },
]

function hasOptions(request: GeneratedRequest, ...options: readonly string[]): boolean {
  const said = request.headers.filter(([name]) => name === 'connection').flatMap(([, value]) => value.split(/ *, */))
  return options.every((option) => said.includes(option))
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** Status that is given before a route is looked for, and the setting that gives it. */
const BEFORE_ROUTE: ReadonlyMap<number, string> = new Map([
  [307, 'UNESCAPE_AND_REDIRECT'],
  [400, 'REJECT_REQUEST'],
])

const hasStatus =
  (status: number) =>
  (action: Json): boolean =>
    objectOf(action).status === status
const hasPrefixRewrite = (action: Json): boolean => objectOf(action).prefix_rewrite !== undefined

function saysInAnswer(table: GeneratedTable, at: string, pattern: RegExp): boolean {
  return at.startsWith('headers.') && says(table, 'response', at.slice('headers.'.length), pattern)
}

/** Some header, which others may repeat, says by which name the request goes. */
function saysAuthority(table: GeneratedTable): boolean {
  return JSON.stringify(table.routeConfig).includes('at %REQ(:authority)%')
}

function beforeAuthority(value: unknown): string {
  return String(value).split(' at ')[0] ?? ''
}

/** Some level writes that header with a value of that form. */
function says(table: GeneratedTable, of: 'request' | 'response', lowerName: string, pattern: RegExp): boolean {
  return some(table.routeConfig, `${of}_headers_to_add`, (additions) =>
    listOf(additions).some(({ header }) => {
      const { key, value } = objectOf(header)
      return String(key).toLowerCase() === lowerName && pattern.test(String(value))
    }),
  )
}

function mutates(table: GeneratedTable, of: 'request' | 'response', lowerName: string): boolean {
  const removes = some(table.routeConfig, `${of}_headers_to_remove`, (names) =>
    JSON.stringify(names).toLowerCase().includes(`"${lowerName}"`),
  )
  return removes || says(table, of, lowerName, /^/)
}

/** Whether any field of that name, however deep, passes. */
function some(value: Json, name: string, passes: (value: Json) => boolean): boolean {
  if (value === null || typeof value !== 'object') return false
  return Object.entries(value).some(([key, each]) => (key === name && passes(each)) || some(each, name, passes))
}
