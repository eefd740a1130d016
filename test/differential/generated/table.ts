// A route table and the settings of its connection manager from a seed: what matches, rewrites, redirects, answers and mutations can be
// combined to. Every table is one that a real Envoy takes. Called by generated.ts.
// Invariant: nothing here depends on chance or time beyond the seed: no fractions, no retries, weights of one.
import type { Noise } from '../../fuzz/fuzz.ts'
import {
  HEADER_VALUES,
  MATCHED_HEADERS,
  MUTATED_REQUEST,
  MUTATED_RESPONSE,
  PREFIXES,
  QUERY_NAMES,
  REGEXES,
  REWRITES,
  VALUES,
} from './words.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export interface GeneratedTable {
  readonly routeConfig: JsonObject
  readonly connectionManager: JsonObject
}

export function generateTable(noise: Noise): GeneratedTable {
  const domains = domainsOf(noise)
  return {
    connectionManager: managerOf(noise),
    routeConfig: {
      validate_clusters: false,
      ...(noise.chance(0.15) ? { ignore_port_in_host_matching: true } : {}),
      ...mutations(noise, 0.15),
      virtual_hosts: domains.map((names, index) => virtualHost(noise, `h${index}`, names)),
    },
  }
}

function managerOf(noise: Noise): JsonObject {
  const made: Record<string, Json> = {}
  const sometimes = (name: string, value: Json, probability = 0.12): void => {
    if (noise.chance(probability)) made[name] = value
  }
  sometimes('normalize_path', true, 0.5)
  sometimes('merge_slashes', true, 0.3)
  sometimes(
    'path_with_escaped_slashes_action',
    noise.pick(['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD']),
    0.3,
  )
  sometimes('use_remote_address', true, 0.3)
  sometimes('xff_num_trusted_hops', 1 + noise.below(2))
  sometimes('skip_xff_append', true)
  sometimes('server_header_transformation', noise.pick(['OVERWRITE', 'APPEND_IF_ABSENT', 'PASS_THROUGH']), 0.3)
  sometimes('server_name', 'named')
  sometimes('via', 'mesh')
  sometimes('generate_request_id', false)
  sometimes('preserve_external_request_id', true)
  sometimes('always_set_request_id_in_response', true)
  sometimes('http_protocol_options', { accept_http_10: true }, 0.5)
  sometimes(
    'common_http_protocol_options',
    noise.pick<JsonObject>([
      { headers_with_underscores_action: 'REJECT_REQUEST' },
      { headers_with_underscores_action: 'DROP_HEADER' },
      { max_headers_count: 12 },
    ]),
  )
  return made
}

/** Domains of one, two or three virtual hosts: no name twice. */
function domainsOf(noise: Noise): readonly (readonly string[])[] {
  const all = [['*'], ['one.test', '*.one.test'], ['two.test', 'two.test:8080', 'two.*'], ['*.long.one.test', 'ONE.long.one.test']]
  const kept = all.filter(() => noise.chance(0.55))
  return kept.length === 0 ? [['*']] : kept
}

function virtualHost(noise: Noise, name: string, domains: readonly string[]): JsonObject {
  return {
    name,
    domains,
    ...(noise.chance(0.04) ? { require_tls: 'ALL' } : {}),
    ...(noise.chance(0.1) ? { include_request_attempt_count: true } : {}),
    ...(noise.chance(0.1) ? { include_attempt_count_in_response: true } : {}),
    ...mutations(noise, 0.2),
    routes: Array.from({ length: 1 + noise.below(5) }, (_, index) => route(noise, `${name}r${index}`)),
  }
}

function route(noise: Noise, name: string): JsonObject {
  return { name, match: match(noise), ...action(noise), ...mutations(noise, 0.3) }
}

function match(noise: Noise): JsonObject {
  const headers = noise.chance(0.3) ? { headers: Array.from({ length: 1 + noise.below(2) }, () => headerMatch(noise)) } : {}
  const query = noise.chance(0.2) ? { query_parameters: [queryMatch(noise)] } : {}
  return { ...pathMatch(noise), ...headers, ...query }
}

function pathMatch(noise: Noise): JsonObject {
  const kind = noise.below(10)
  const caseless = noise.chance(0.15) ? { case_sensitive: false } : {}
  if (kind < 5) return { prefix: noise.chance(0.3) ? '/' : noise.pick(PREFIXES), ...caseless }
  if (kind < 7) return { path: noise.pick(PREFIXES), ...caseless }
  if (kind < 8) return { path_separated_prefix: noise.pick(PREFIXES.filter((prefix) => !prefix.endsWith('/'))), ...caseless }
  return { safe_regex: { regex: noise.pick(REGEXES).regex } }
}

function headerMatch(noise: Noise): JsonObject {
  const name = noise.pick(MATCHED_HEADERS)
  const invert = noise.chance(0.2) ? { invert_match: true } : {}
  const missing = noise.chance(0.15) ? { treat_missing_header_as_empty: true } : {}
  const kind = noise.below(6)
  if (kind === 0) return { name, present_match: noise.chance(0.7), ...invert }
  if (kind === 1) return { name, range_match: { start: noise.below(5) - 2, end: 3 + noise.below(9) }, ...invert, ...missing }
  return { name, string_match: stringMatch(noise, name === ':method' ? ['GET', 'POST', 'HEAD'] : VALUES), ...invert, ...missing }
}

function queryMatch(noise: Noise): JsonObject {
  const name = noise.pick(QUERY_NAMES)
  return noise.chance(0.3) ? { name, present_match: true } : { name, string_match: stringMatch(noise, VALUES) }
}

function stringMatch(noise: Noise, values: readonly string[]): JsonObject {
  const kind = noise.below(5)
  if (kind === 4) return { safe_regex: { regex: noise.pick(['[a-z]+', '.*', 'v.', '[0-9]*', 'GET|HEAD']) } }
  const value = noise.pick(values)
  const pattern = kind === 0 ? value : value.slice(0, 2)
  return {
    [['exact', 'prefix', 'suffix', 'contains'][kind] ?? 'exact']: pattern === '' ? 'v' : pattern,
    ...(noise.chance(0.2) ? { ignore_case: true } : {}),
  }
}

function action(noise: Noise): JsonObject {
  const kind = noise.below(12)
  if (kind === 0) return { direct_response: directResponse(noise) }
  if (kind < 3) return { redirect: redirect(noise) }
  return { route: forward(noise) }
}

/** No body where there can be none: Envoy writes it all the same, and the next answer is read from its middle. */
function directResponse(noise: Noise): JsonObject {
  const status = noise.pick([200, 204, 304, 302, 403, 404, 500, 503])
  return { status, ...(status !== 204 && status !== 304 && noise.chance(0.6) ? { body: { inline_string: 'said here' } } : {}) }
}

function redirect(noise: Noise): JsonObject {
  const scheme = noise.below(5)
  const path = noise.below(4)
  return {
    ...(scheme === 0 ? { https_redirect: true } : scheme === 1 ? { scheme_redirect: noise.pick(['http', 'https', 'ftp']) } : {}),
    ...(noise.chance(0.4) ? { host_redirect: noise.pick(['else.test', 'else.test:99']) } : {}),
    ...(noise.chance(0.3) ? { port_redirect: noise.pick([80, 443, 8443]) } : {}),
    ...(path === 0
      ? { path_redirect: noise.pick(['/moved', '/moved?with=query', '/']) }
      : path === 1
        ? { prefix_rewrite: noise.pick(REWRITES) }
        : {}),
    ...(noise.chance(0.4) ? { response_code: noise.pick(['FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT']) } : {}),
    ...(noise.chance(0.3) ? { strip_query: true } : {}),
  }
}

function forward(noise: Noise): JsonObject {
  const rewrite = noise.below(6)
  return {
    ...destination(noise),
    ...(rewrite === 0 ? { prefix_rewrite: noise.pick(REWRITES) } : rewrite === 1 ? { regex_rewrite: noise.pick(REGEXES).rewrite } : {}),
    ...(noise.chance(0.15) ? { host_rewrite_literal: noise.pick(['rewritten.test', 'rewritten.test:81']) } : {}),
  }
}

function destination(noise: Noise): JsonObject {
  const kind = noise.below(20)
  if (kind === 0) return { cluster: 'missing', ...(noise.chance(0.5) ? { cluster_not_found_response_code: 'NOT_FOUND' } : {}) }
  if (kind === 1) return { cluster: noise.pick(['empty', 'closed']) }
  if (kind > 4) return { cluster: noise.pick(['a', 'b']) }
  const name = noise.pick(['a', 'b'])
  const host = noise.chance(0.3) ? { host_rewrite_literal: 'weighted.test' } : {}
  return { weighted_clusters: { clusters: [{ name, weight: 1, ...host, ...mutations(noise, 0.5) }] } }
}

/** At most a few additions and removals, of requests and of responses. */
function mutations(noise: Noise, probability: number): JsonObject {
  const made: Record<string, Json> = {}
  if (noise.chance(probability)) made.request_headers_to_add = several(noise, () => addition(noise, MUTATED_REQUEST))
  if (noise.chance(probability)) made.response_headers_to_add = several(noise, () => addition(noise, MUTATED_RESPONSE))
  if (noise.chance(probability / 2)) made.request_headers_to_remove = several(noise, () => noise.pick(MUTATED_REQUEST))
  if (noise.chance(probability / 2)) made.response_headers_to_remove = several(noise, () => noise.pick(MUTATED_RESPONSE))
  return made
}

function several(noise: Noise, make: () => Json): Json {
  return Array.from({ length: 1 + noise.below(3) }, make)
}

function addition(noise: Noise, names: readonly string[]): JsonObject {
  const key = noise.pick(names)
  const value = noise.pick(HEADER_VALUES)
  const action = noise.pick(['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'])
  return {
    header: { key, value },
    append_action: action,
    ...(noise.chance(0.1) ? { keep_empty_value: true } : {}),
  }
}
