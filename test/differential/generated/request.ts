// A request from a seed, aimed at a table: mostly at one of its routes, a little beside it. Called by generated.ts.
import type { Noise } from '../../fuzz/fuzz.ts'
import { ANSWERS } from './echo-upstream.ts'
import type { GeneratedTable, Json, JsonObject } from './table.ts'
import { PATH_TAILS, PREFIXES, QUERIES, REGEXES, VALUES } from './words.ts'

export interface GeneratedRequest {
  readonly method: string
  readonly target: string
  readonly version: '1.1' | '1.0'
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | undefined
}

export function generateRequest(noise: Noise, table: GeneratedTable): GeneratedRequest {
  const hosts = listOf(table.routeConfig.virtual_hosts)
  const virtualHost = noise.pick(hosts)
  const route = noise.pick(listOf(virtualHost.routes))
  const host = hostFor(noise, listOf(virtualHost.domains).map(String))
  const path = pathFor(noise, objectOf(route.match))
  const method = noise.pick(['GET', 'GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'])
  const absolute = noise.chance(0.05)
  const body =
    method === 'POST' || method === 'PUT' || method === 'PATCH' || noise.chance(0.05)
      ? noise.pick(['', 'body', 'x'.repeat(3000)])
      : undefined
  return {
    method,
    target: absolute ? `http://${noise.pick([host, 'one.test'])}${path}` : path,
    version: noise.chance(0.06) ? '1.0' : '1.1',
    headers: [
      ['host', host],
      ...headersFor(noise, objectOf(route.match)),
      ['x-answer', noise.chance(0.5) ? 'plain' : noise.pick(Object.keys(ANSWERS))],
    ],
    body,
  }
}

function hostFor(noise: Noise, domains: readonly string[]): string {
  const domain = noise.pick(domains)
  const known = domain === '*' ? noise.pick(['any.test', '10.0.0.1', '[::1]']) : domain.replace(/^\*/, 'sub').replace(/\*$/, 'com')
  const cased = noise.chance(0.1) ? known.toUpperCase() : known
  return /:\d+$/.test(cased) || !noise.chance(0.2) ? cased : `${cased}:${noise.pick([80, 443, 8080])}`
}

function pathFor(noise: Noise, match: JsonObject): string {
  const regex = objectOf(match.safe_regex).regex
  const sample = REGEXES.find((each) => each.regex === regex)?.sample
  const aimed = String(sample ?? match.prefix ?? match.path ?? match.path_separated_prefix ?? '/')
  const base = noise.chance(0.15) ? noise.pick(PREFIXES) : aimed
  const tail = match.path !== undefined && noise.chance(0.6) ? '' : noise.pick(PATH_TAILS)
  return `${noise.chance(0.05) ? base.toUpperCase() : base}${tail}${noise.pick(QUERIES)}`
}

const EXTRA: readonly (readonly [string, string])[] = [
  ['x-forwarded-for', '9.9.9.9'],
  ['x-forwarded-for', '9.9.9.9, 10.1.1.1'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-proto', 'http'],
  ['x-request-id', 'theirs'],
  ['x-envoy-original-path', '/forged'],
  ['x-envoy-attempt-count', '7'],
  ['x-envoy-internal', 'true'],
  ['x-envoy-expected-rq-timeout-ms', '9'],
  ['x-envoy-peer-metadata-id', 'forged'],
  ['connection', 'close'],
  ['connection', 'keep-alive'],
  ['connection', 'x-a'],
  ['connection', 'x-a, keep-alive'],
  ['keep-alive', 'timeout=5'],
  ['proxy-connection', 'keep-alive'],
  ['te', 'trailers'],
  ['user-agent', 'v1'],
  ['accept', '*/*'],
  ['cookie', 'a=1'],
  ['cookie', 'b=2; c=3'],
  ['content-type', 'text/html'],
  ['X-Upper', 'Kept'],
  ['x_under_score', 'v1'],
  ['via', '1.1 before'],
  ['x-forwarded-host', 'forged.test'],
  ['forwarded', 'for=9.9.9.9'],
  ['trailer', 'x-sum'],
  ['http2-settings', 'AAMAAABkAAQAAP__'],
  ['x-forwarded-client-cert', 'By=spiffe://forged'],
  ['range', 'bytes=0-1'],
  ['date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['x-latin', 'caf\xe9'],
  ['x-spaces', '  padded\t'],
]

/** RFC 9110 5.3: nobody sends these twice, and Envoy joins them where it judges others line by line. */
const SINGLETONS: ReadonlySet<string> = new Set([
  'user-agent',
  'content-type',
  'x-request-id',
  'te',
  'x-forwarded-proto',
  'date',
  'range',
  'x-envoy-original-path',
])

function headersFor(noise: Noise, match: JsonObject): readonly (readonly [string, string])[] {
  const wanted = listOf(match.headers).flatMap((header) => {
    const name = String(header.name)
    if (name.startsWith(':') || name === 'x-forwarded-proto' || name === 'host' || name === 'content-length' || noise.chance(0.2)) return []
    const pattern = objectOf(header.string_match)
    const value =
      pattern.exact ?? pattern.prefix ?? pattern.suffix ?? pattern.contains ?? (header.range_match === undefined ? noise.pick(VALUES) : '3')
    return [[name, String(value)] as const]
  })
  const others = Array.from({ length: noise.below(4) }, () => [noise.pick(['x-a', 'x-a', 'x-b', 'x-c']), noise.pick(VALUES)] as const)
  const extra = Array.from({ length: noise.below(4) }, () => noise.pick(EXTRA))
  return [...wanted, ...others, ...extra].filter(
    ([name], index, all) => !SINGLETONS.has(name) || all.findIndex(([other]) => other === name) === index,
  )
}

export function listOf(value: Json | undefined): readonly JsonObject[] {
  return (value ?? []) as readonly JsonObject[]
}

export function objectOf(value: Json | undefined): JsonObject {
  return (value ?? {}) as JsonObject
}

export function wireOf({ method, target, version, headers, body }: GeneratedRequest): string {
  const fields = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = body === undefined ? '' : `content-length: ${body.length}\r\n`
  return `${method} ${target} HTTP/${version}\r\n${fields}${length}\r\n${body ?? ''}`
}
