// From JSON as a person writes it, through the codec, to what the proxy runs on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorize } from '../decide/authorize.ts'
import { matchRoute } from '../decide/match.ts'
import { requestView } from '../decide/request-view.ts'
import { decodeBootstrap, type StaticConfiguration } from './decode-bootstrap.ts'
import type { HttpConnectionManager } from './proxy-config.ts'
import {
  anyOf,
  bootstrap,
  cluster,
  endpoint,
  forwardRoute,
  listener,
  manager,
  ROUTER,
  rbacFilter,
  readBootstrap,
  settings,
} from './resources.fixture.ts'

function decode(json: object, allowUnsupported = false): StaticConfiguration {
  const { message, dropped } = readBootstrap(json)
  const result = decodeBootstrap(message, { ...settings, allowUnsupported }, dropped)
  assert.ok(result.ok, JSON.stringify(result, null, 1))
  return result.value
}

function problemsOf(json: object): readonly string[] {
  const { message, dropped } = readBootstrap(json)
  const result = decodeBootstrap(message, settings, dropped)
  return result.ok ? [] : result.problems.map(({ path, message: text }) => `${path}: ${text}`)
}

function http(json: object, allowUnsupported = false): HttpConnectionManager {
  const terminal = decode(json, allowUnsupported).config.listeners.get('main')?.filterChains[0]?.terminal
  assert.ok(terminal?.kind === 'http')
  return terminal
}

const withRoutes = (...routes: readonly object[]) =>
  bootstrap([listener({}, [manager({ route_config: { name: 'local', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] } })])])

test("what is not said has Envoy's default", () => {
  const { config } = decode(bootstrap())
  const main = http(bootstrap())
  const reviews = config.clusters.get('reviews')
  assert.deepEqual(
    { header: main.maxRequestHeadersBytes, idle: main.idleTimeoutMs, stream: main.streamIdleTimeoutMs, mode: main.forwardClientCert.mode },
    { header: 61_440, idle: 3_600_000, stream: 300_000, mode: 'sanitize' },
  )
  assert.deepEqual(main.requestId, { generate: true, preserveExternal: false, alwaysInResponse: false })
  assert.equal(main.serverHeader.name, 'envoy')
  assert.deepEqual(reviews?.circuitBreaker, { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 })
  assert.equal(reviews?.balancer, 'round-robin')
  assert.equal(reviews?.connectTimeoutMs, 5000)
  const action = main.routes.defaultHost?.routes[0]?.action
  assert.ok(action?.kind === 'forward')
  assert.equal(action.timeoutMs, 15_000)
  assert.equal(action.retry, undefined)
})

test('every problem of a file is reported at once, with its path', () => {
  const problems = problemsOf(
    bootstrap(
      [
        listener({}, [
          manager({
            http_filters: [ROUTER, { name: 'cors', typed_config: anyOf('envoy.extensions.filters.http.cors.v3.Cors') }],
            route_config: { virtual_hosts: [{ name: 'a', domains: [], routes: [{ match: {}, route: { cluster: '' } }] }] },
          }),
        ]),
      ],
      [cluster({ load_assignment: { endpoints: [{ lb_endpoints: [endpoint('reviews.local', 80)] }] } })],
    ),
  )
  const at = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config'
  for (const expected of [
    `${at}.http_filters[0]: the router must be the last HTTP filter`,
    `${at}.http_filters[1]: the last HTTP filter must be the router`,
    `${at}.route_config.virtual_hosts[0].domains: `,
    `${at}.route_config.virtual_hosts[0].routes[0].match: `,
    `${at}.route_config.virtual_hosts[0].routes[0].route: `,
    'static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: ',
  ]) {
    assert.ok(
      problems.some((problem) => problem.startsWith(expected)),
      `${expected}\n${problems.join('\n')}`,
    )
  }
})

test('a field that is not in force is an error that names it, and a warning where that is allowed', () => {
  const json = bootstrap([listener()], [cluster({ outlier_detection: { consecutive_5xx: 3 } })])
  assert.match(problemsOf(json).join('\n'), /^static_resources\.clusters\[0\]\.outlier_detection: .*not supported/)
  const { warnings, config } = decode(json, true)
  assert.equal(config.clusters.size, 1)
  assert.match(warnings.map(({ path }) => path).join(), /outlier_detection/)
})

test('a balancer that is not in force is refused', () => {
  assert.match(problemsOf(bootstrap([listener()], [cluster({ lb_policy: 'RING_HASH' })])).join(), /lb_policy: RING_HASH/)
})

test('a cluster says which HTTP it speaks, in the old way or the new one', () => {
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  const typed = (options: object): object => ({
    typed_extension_protocol_options: { [name]: { '@type': `type.googleapis.com/${name}`, ...options } },
  })
  const protocolOf = (fields: object): string | undefined =>
    decode(bootstrap([listener()], [cluster(fields)])).config.clusters.get('reviews')?.upstreamProtocol
  assert.equal(protocolOf({}), 'http1')
  assert.equal(protocolOf({ http2_protocol_options: {} }), 'http2')
  assert.equal(protocolOf(typed({ explicit_http_config: { http2_protocol_options: {} } })), 'http2')
  assert.equal(protocolOf(typed({ auto_config: {} })), 'auto')
  assert.equal(protocolOf(typed({ use_downstream_protocol_config: {} })), 'downstream')
})

test('virtual hosts are sorted into exact, suffix, prefix and default', () => {
  const hosts = ['*.b.com', 'A.com', 'x.*', '*', '*.a.b.com'].map((domain) => ({ name: domain, domains: [domain], routes: [] }))
  const { routes } = http(bootstrap([listener({}, [manager({ route_config: { virtual_hosts: hosts } })])]))
  assert.deepEqual([...routes.exactHosts.keys()], ['a.com'])
  assert.deepEqual(
    routes.suffixHosts.map(({ suffix }) => suffix),
    ['.a.b.com', '.b.com'],
  )
  assert.deepEqual(
    routes.prefixHosts.map(({ prefix }) => prefix),
    ['x.'],
  )
  assert.equal(routes.defaultHost?.name, '*')
})

test('a domain of two virtual hosts is refused', () => {
  const hosts = ['a.com', 'A.com'].map((domain, index) => ({ name: `h${index}`, domains: [domain], routes: [] }))
  assert.match(problemsOf(bootstrap([listener({}, [manager({ route_config: { virtual_hosts: hosts } })])])).join(), /belongs to another/)
})

test('a weight of zero gets nothing, and a route of zeros is refused', () => {
  const weighted = (weights: readonly number[]) =>
    withRoutes(
      forwardRoute({ prefix: '/' }, { weighted_clusters: { clusters: weights.map((weight, index) => ({ name: `c${index}`, weight })) } }),
    )
  const action = http(weighted([80, 0, 20])).routes.defaultHost?.routes[0]?.action
  assert.ok(action?.kind === 'forward')
  assert.deepEqual(
    action.clusters.map(({ name, weight }) => [name, weight]),
    [
      ['c0', 80],
      ['c2', 20],
    ],
  )
  assert.equal(action.totalWeight, 100)
  assert.match(problemsOf(weighted([0, 0])).join(), /weight above zero/)
})

test('a retry policy has its conditions, its hosts and its back-off', () => {
  const retry_policy = {
    retry_on: 'connect-failure,refused-stream, unavailable,retriable-status-codes',
    num_retries: 2,
    retriable_status_codes: [503],
    host_selection_retry_max_attempts: 5,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: anyOf('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
      },
    ],
  }
  const action = http(withRoutes(forwardRoute({ prefix: '/' }, { cluster: 'reviews', retry_policy, timeout: '0s' }))).routes.defaultHost
    ?.routes[0]?.action
  assert.ok(action?.kind === 'forward' && action.retry !== undefined)
  assert.equal(action.timeoutMs, undefined)
  assert.deepEqual([...action.retry.on].sort(), ['connect-failure', 'refused-stream', 'retriable-status-codes', 'unavailable'])
  assert.deepEqual([action.retry.maxRetries, action.retry.backoffBaseMs, action.retry.backoffMaxMs], [2, 25, 250])
  assert.deepEqual([action.retry.avoidsPreviousHosts, action.retry.hostSelectionAttempts], [true, 5])
})

test('header mutations keep their order and their action; a line break is refused', () => {
  const add = (header: object, more: object = {}) => ({ header, ...more })
  const route = {
    ...forwardRoute(),
    request_headers_to_add: [
      add({ key: 'X-A', value: '100%%' }, { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
      add({ key: 'x-b', value: '%DOWNSTREAM_REMOTE_ADDRESS%' }),
    ],
    response_headers_to_remove: ['Server'],
  }
  const decoded = http(withRoutes(route)).routes.defaultHost?.routes[0]
  assert.deepEqual(decoded?.requestHeaders.set, [
    { name: 'x-a', value: '100%', hasOperators: false, action: 'overwrite', keepsEmpty: false },
    { name: 'x-b', value: '%DOWNSTREAM_REMOTE_ADDRESS%', hasOperators: true, action: 'append', keepsEmpty: false },
  ])
  assert.deepEqual(decoded?.responseHeaders.remove, ['server'])
  const bad = { ...forwardRoute(), request_headers_to_add: [add({ key: 'x-a', value: 'a\r\nb: c' })] }
  assert.match(problemsOf(withRoutes(bad)).join(), /line break/)
  assert.match(problemsOf(withRoutes({ ...forwardRoute(), request_headers_to_remove: ['Host'] })).join(), /may not be removed/)
})

test('a pattern is compiled once and a bad one is a problem of its route', () => {
  const table = http(withRoutes(forwardRoute({ safe_regex: { regex: '/v[12]/.*' } }))).routes
  assert.equal(matchRoute(table, requestView({ authority: 'a', path: '/v1/x' }), () => 0).found, true)
  assert.equal(matchRoute(table, requestView({ authority: 'a', path: '/v3/x' }), () => 0).found, false)
  assert.match(problemsOf(withRoutes(forwardRoute({ safe_regex: { regex: '(' } }))).join(), /safe_regex: .*RE2/)
})

test('a longest duration of connections to endpoints is refused by name, in both forms of a cluster', () => {
  const common_http_protocol_options = { max_connection_duration: '60s' }
  const typed = anyOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
    common_http_protocol_options,
    explicit_http_config: { http_protocol_options: {} },
  })
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  for (const fields of [{ common_http_protocol_options }, { typed_extension_protocol_options: { [name]: typed } }]) {
    assert.match(problemsOf(bootstrap([listener()], [cluster(fields)])).join(), /max_connection_duration: connections to endpoints/)
  }
})

const facts = {
  path: '/',
  destinationIp: '10.0.0.1',
  destinationPort: 9080,
  directRemoteIp: '10.0.0.2',
  remoteIp: '10.0.0.2',
  serverName: '',
  principals: ['spiffe://cluster.local/ns/default/sa/productpage'],
  testHeader: () => undefined,
}

const withFilters = (...filters: readonly object[]) => bootstrap([listener({}, [manager({ http_filters: [...filters, ROUTER] })])])

test('a policy allows the principal that it names and nobody else', () => {
  const principals = [{ authenticated: { principal_name: { exact: 'spiffe://cluster.local/ns/default/sa/productpage' } } }]
  const { httpRules } = http(
    withFilters(rbacFilter({ action: 'ALLOW', policies: { viewer: { permissions: [{ any: true }], principals } } })),
  )
  assert.deepEqual(authorize(httpRules, facts), { allowed: true })
  assert.equal(authorize(httpRules, { ...facts, principals: ['spiffe://cluster.local/ns/x/sa/y'] }).allowed, false)
  assert.equal(authorize(httpRules, { ...facts, principals: [] }).allowed, false)
})

for (const [what, rules] of [
  [
    'a condition that the proxy does not know',
    { policies: { p: { permissions: [{ any: true }], principals: [{ any: true }], condition: { id: '1' } } } },
  ],
  [
    'a principal by metadata',
    {
      action: 'DENY',
      policies: { p: { permissions: [{ any: true }], principals: [{ metadata: { filter: 'jwt', path: [{ key: 'a' }] } }] } },
    },
  ],
  [
    'a pattern that is no RE2',
    {
      action: 'DENY',
      policies: { p: { permissions: [{ url_path: { path: { safe_regex: { regex: '(' } } } }], principals: [{ any: true }] } },
    },
  ],
  ['an empty permission', { action: 'DENY', policies: { p: { permissions: [{}], principals: [{ any: true }] } } }],
] as const) {
  test(`a policy with ${what} denies everything and does not reject the listener`, () => {
    const { httpRules } = http(withFilters(rbacFilter(rules)))
    const decision = authorize(httpRules, facts)
    assert.ok(!decision.allowed)
    assert.equal(decision.because, 'policy-invalid')
    assert.notEqual(decode(withFilters(rbacFilter(rules))).warnings.length, 0)
  })
}

test('a filter that guards and is not in force denies, even where unsupported fields are allowed', () => {
  const jwt = { name: 'jwt', typed_config: { ...anyOf('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'), providers: {} } }
  for (const allow of [false, true]) {
    const { httpRules } = http(withFilters(jwt), allow)
    assert.equal(authorize(httpRules, facts).allowed, false)
  }
})

test('a filter that only observes is refused by name, and skipped where that is allowed', () => {
  const lua = { name: 'lua', typed_config: { ...anyOf('envoy.extensions.filters.http.lua.v3.Lua') } }
  assert.notEqual(problemsOf(withFilters(lua)).length, 0)
  assert.deepEqual(http(withFilters(lua), true).httpRules, [])
})

const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'
const tls = (common: object, fields: object = {}) => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: anyOf(DOWNSTREAM, { common_tls_context: common, ...fields }),
})
const withTls = (socket: object) => bootstrap([listener({ filter_chains: [{ filters: [manager()], transport_socket: socket }] })])
const CERTIFICATE = { tls_certificates: [{ certificate_chain: { filename: '/c.pem' }, private_key: { filename: '/k.pem' } }] }

test('TLS of a listener: files, roots by SDS, names, required certificate', () => {
  const socket = tls(
    {
      ...CERTIFICATE,
      alpn_protocols: ['h2'],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
        },
        validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: { ads: {} } },
      },
    },
    { require_client_certificate: true },
  )
  const context = decode(withTls(socket)).config.listeners.get('main')?.filterChains[0]?.tls
  assert.deepEqual(context?.certificate, { kind: 'files', chainPath: '/c.pem', keyPath: '/k.pem' })
  assert.deepEqual(context?.validation.trust, { kind: 'secret', name: 'ROOTCA' })
  assert.equal(context?.validation.subjectAltNames[0]?.matches('spiffe://cluster.local/ns/a/sa/b'), true)
  assert.equal(context?.requiresClientCertificate, true)
})

test('names without roots are refused, as any self-made certificate could carry them', () => {
  const validation_context = { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a' } }] }
  assert.match(problemsOf(withTls(tls({ ...CERTIFICATE, validation_context }))).join(), /no root is trusted/)
})

test('an unknown transport is an error even where unsupported fields are allowed: it must not become plaintext', () => {
  const socket = { name: 'x', typed_config: anyOf('envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig') }
  const { message, dropped } = readBootstrap(withTls(socket))
  assert.equal(decodeBootstrap(message, { ...settings, allowUnsupported: true }, dropped).ok, false)
})

test('curves that are not spoken here are left out with a word, and a list of nothing else is refused', () => {
  const withCurves = (...ecdh_curves: readonly string[]) => withTls(tls({ ...CERTIFICATE, tls_params: { ecdh_curves } }))
  assert.match(problemsOf(withCurves('X25519', 'CECPQ2')).join(), /ecdh_curves: .*CECPQ2 is not spoken/)
  const { config } = decode(withCurves('X25519', 'CECPQ2', 'P-256'), true)
  assert.deepEqual(config.listeners.get('main')?.filterChains[0]?.tls?.curves, ['X25519', 'P-256'])

  const { message, dropped } = readBootstrap(withCurves('CECPQ2'))
  const refused = decodeBootstrap(message, { ...settings, allowUnsupported: true }, dropped)
  assert.match(refused.ok ? '' : refused.problems.map(({ message: text }) => text).join(), /no curve is left/)
})

test('a secret of the file stands in for its name', () => {
  const secrets = [{ name: 'server', tls_certificate: { certificate_chain: { inline_string: 'C' }, private_key: { inline_string: 'K' } } }]
  const json = withTls(tls({ tls_certificate_sds_secret_configs: [{ name: 'server' }] })) as { static_resources: object }
  const decoded = decode({ static_resources: { ...json.static_resources, secrets } })
  assert.deepEqual(decoded.config.listeners.get('main')?.filterChains[0]?.tls?.certificate, { kind: 'pem', chainPem: 'C', keyPem: 'K' })
})

test('admin address and overload limit are read in both spellings', () => {
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 15_000 } } }
  for (const static_layer of [
    { 'overload.global_downstream_max_connections': 5 },
    { overload: { global_downstream_max_connections: 5 } },
  ]) {
    const decoded = decode(bootstrap(undefined, undefined, { admin, layered_runtime: { layers: [{ name: 's', static_layer }] } }))
    assert.deepEqual([decoded.admin?.port, decoded.maxDownstreamConnections], [15_000, 5])
  }
})

test('endpoints keep weight, priority, health, labels and workload', () => {
  const metadata = {
    filter_metadata: {
      istio: { workload: 'reviews-v1;default;reviews;v1;Kubernetes' },
      'envoy.transport_socket_match': { tlsMode: 'istio' },
    },
  }
  const load_assignment = {
    endpoints: [
      {
        priority: 1,
        locality: { region: 'r', zone: 'z' },
        lb_endpoints: [endpoint('10.0.0.1', 80, { load_balancing_weight: 3, health_status: 'DRAINING', metadata })],
      },
    ],
  }
  assert.deepEqual(decode(bootstrap(undefined, [cluster({ load_assignment })])).config.clusters.get('reviews')?.endpoints, [
    {
      address: { host: '10.0.0.1', port: 80 },
      weight: 3,
      priority: 1,
      locality: 'r/z',
      health: 'draining',
      transportLabels: { tlsMode: 'istio' },
      workload: { workload: 'reviews-v1', namespace: 'default', canonicalName: 'reviews', canonicalRevision: 'v1', cluster: 'Kubernetes' },
    },
  ])
})

test('an access log with an unknown operator is refused with a hint', () => {
  const log = (format: string) => ({
    name: 'f',
    typed_config: anyOf('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
      path: '/dev/stdout',
      log_format: { text_format_source: { inline_string: format } },
    }),
  })
  const json = (format: string) => bootstrap([listener({}, [manager({ access_log: [log(format)] })])])
  assert.match(problemsOf(json('%RESPONSE_CODES%\n')).join(), /did you mean %RESPONSE_CODE%/)
  assert.deepEqual(http(json('%RESPONSE_CODE%\n')).accessLogs, [
    { target: { kind: 'stdout' }, format: { kind: 'text', template: '%RESPONSE_CODE%\n' }, omitsEmptyValues: false },
  ])
})
