import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Problem, Result } from '../base/result.ts'
import { unpack } from './any.ts'
import { readBootstrapFile } from './bootstrap-file.ts'
import type { Bootstrap } from './generated/messages.gen.ts'
import { proxyCodec } from './proxy-codec.ts'

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'

const YAML = `
node: {id: sidecar~1, cluster: reviews, metadata: {NAMESPACE: default}}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
layered_runtime:
  layers:
  - name: static
    static_layer: {overload: {global_downstream_max_connections: 50000}}
static_resources:
  listeners:
  - name: http
    address: &address {socket_address: {address: 127.0.0.1, port_value: 8080}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/${HCM}
          stat_prefix: http
          request_id_extension:
            typed_config: {'@type': type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig, pack_trace_reason: false}
          upgrade_configs: [{upgrade_type: websocket}]
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/stdout
              log_format: {text_format_source: {inline_string: "%REQ(:METHOD)% %RESPONSE_CODE%\\n"}}
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {prefix: /}
                route:
                  weighted_clusters: {clusters: [{name: a, weight: 80}, {name: b, weight: 20}]}
                  timeout: 0s
                  retry_policy:
                    retry_on: connect-failure
                    num_retries: 2
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config: {'@type': type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
          http_filters:
          - name: envoy.filters.http.fault
            typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}
          - name: envoy.filters.http.router
            typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: a, type: STATIC, connect_timeout: 0.25s, load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: *address}}]}]}}
`

async function read(t: TestContext, name: string, content: string, onUnsupported?: (path: string) => void): Promise<Result<Bootstrap>> {
  const folder = await mkdtemp(join(tmpdir(), 'lateen-bootstrap-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, name), content)
  const yamlToJsonProgram = fileURLToPath(new URL('yaml-to-json.ts', import.meta.url))
  const result = await readBootstrapFile(join(folder, name), { codec: proxyCodec, yamlToJsonProgram, onUnsupported })
  // The folder's name changes from run to run.
  const shorten = (problem: Problem): Problem => ({ ...problem, path: problem.path.replace(`${folder}/`, '') })
  return result.ok ? result : { ok: false, problems: result.problems.map(shorten) }
}

test('a YAML bootstrap with anchors is read, extensions included', async (t) => {
  const result = await read(t, 'bootstrap.yaml', YAML)
  assert.ok(result.ok, JSON.stringify(result))
  const listener = result.value.staticResources?.listeners?.[0]
  const manager = unpack(listener?.filterChains?.[0]?.filters?.[0]?.typedConfig, HCM)
  const route = manager?.routeConfig?.virtualHosts?.[0]?.routes?.[0]
  assert.deepEqual(route?.route?.weightedClusters?.clusters, [
    { name: 'a', weight: 80 },
    { name: 'b', weight: 20 },
  ])
  assert.equal(route?.route?.timeout, 0)
  assert.deepEqual(
    result.value.staticResources?.clusters?.[0]?.loadAssignment?.endpoints?.[0]?.lbEndpoints?.[0]?.endpoint?.address,
    listener?.address,
  )
  assert.deepEqual(result.value.layeredRuntime?.layers?.[0]?.staticLayer, { overload: { global_downstream_max_connections: 50000 } })
})

test('a JSON bootstrap is read without a child', async (t) => {
  const result = await read(
    t,
    'bootstrap.json',
    '{"node": {"id": "a"}, "staticResources": {"clusters": [{"name": "c", "connectTimeout": "1s"}]}}',
  )
  assert.deepEqual(result, { ok: true, value: { node: { id: 'a' }, staticResources: { clusters: [{ name: 'c', connectTimeout: 1000 }] } } })
})

test('a fault filter with a fault in it is refused by file, path and field', async (t) => {
  const yaml = YAML.replace('v3.HTTPFault}', 'v3.HTTPFault, abort: {http_status: 500, percentage: {numerator: 1}}}')
  const result = await read(t, 'bootstrap.yaml', yaml)
  assert.equal(result.ok, false)
  assert.deepEqual(result.ok ? [] : result.problems.map(({ path }) => path), [
    'bootstrap.yaml: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.abort',
  ])
})

test('unsupported fields are told with the file when they are allowed', async (t) => {
  const told: string[] = []
  const result = await read(t, 'b.json', '{"hds_config": {"api_type": "GRPC"}, "node": {"id": "a"}}', (path) => told.push(path))
  assert.deepEqual(result, { ok: true, value: { node: { id: 'a' } } })
  assert.equal(told.length, 1)
  assert.match(told[0] ?? '', /b\.json: hds_config$/)
})

test('a YAML bootstrap larger than any pipe buffer is read whole', async (t) => {
  const clusters = Array.from(
    { length: 5000 },
    (_, index) => `  - {name: cluster-with-a-longer-name-${index}, connect_timeout: 1s, alt_stat_name: ${'x'.repeat(60)}}\n`,
  )
  const result = await read(t, 'big.yaml', `static_resources:\n  clusters:\n${clusters.join('')}`)
  assert.equal(result.ok && result.value.staticResources?.clusters?.length, 5000)
})

test('broken YAML, broken JSON and a missing file each say what and where', async (t) => {
  const yaml = await read(t, 'a.yaml', 'node: {id: a\nadmin: b')
  assert.match(JSON.stringify(yaml), /a\.yaml: line \d+, column \d+.*not valid YAML/)
  const json = await read(t, 'a.json', '{"node": ')
  assert.match(JSON.stringify(json), /a\.json.*not valid JSON/)
  const missing = await readBootstrapFile('/nonexistent/bootstrap.yaml', { codec: proxyCodec, yamlToJsonProgram: '' })
  assert.match(JSON.stringify(missing), /nonexistent\/bootstrap\.yaml.*no such file/)
})

test('a child that cannot run is a problem with a way out', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lateen-bootstrap-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'a.yaml'), 'node: {}')
  const result = await readBootstrapFile(join(folder, 'a.yaml'), { codec: proxyCodec, yamlToJsonProgram: '/nonexistent/child.js' })
  assert.match(JSON.stringify(result), /cannot convert YAML to JSON.*as JSON instead/s)
})
