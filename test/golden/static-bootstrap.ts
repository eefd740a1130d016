// A golden as a static Envoy bootstrap, so that a stock Envoy can judge it without a control plane: routes and endpoints are put where
// the references to them were, and the workload's certificate becomes a static secret.
import { TestCa } from '../harness/certificates.ts'
import type { Json } from './envoy-json.ts'

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'

export interface BootstrapIdentity {
  readonly ca: TestCa
  readonly uri: string
}

export function staticBootstrap(
  resources: Record<string, Json[]>,
  identity: BootstrapIdentity = { ca: new TestCa(), uri: 'spiffe://cluster.local/ns/default/sa/golden' },
): Json {
  const { listeners = [], routes = [], clusters = [], endpoints = [] } = withoutSources(inlined(resources, identity))
  const tables = new Map(routes.map((table) => [String(table.name), table]))
  const assignments = new Map(endpoints.map((assignment) => [String(assignment.cluster_name), assignment]))
  return {
    node: { id: 'sidecar~10.0.0.1~golden.default~default.svc.cluster.local', cluster: 'golden' },
    static_resources: {
      listeners: listeners.map((listener) => replaceRds(listener, tables)),
      clusters: clusters.map((cluster) => replaceEds(cluster, assignments)),
      secrets: secrets(identity, namedSecrets([...listeners, ...clusters])),
    },
  }
}

/** There is no control plane to ask for secrets: they stand in the bootstrap. */
function withoutSources(resources: Record<string, Json[]>): Record<string, Json[]> {
  return JSON.parse(JSON.stringify(resources, (key, value: unknown) => (key === 'sds_config' ? undefined : value))) as Record<
    string,
    Json[]
  >
}

/** Files of a proxy that goldens name, `/golden/chain.pem`, `key.pem` and `roots.pem`, become what they would hold. */
function inlined(resources: Record<string, Json[]>, { ca, uri }: BootstrapIdentity): Record<string, Json[]> {
  const text = JSON.stringify(resources)
  if (!text.includes('/golden/')) return resources
  const { chainPem, keyPem } = ca.issue(uri)
  const contents: Readonly<Record<string, string>> = { chain: chainPem, key: keyPem, roots: ca.rootPem }
  return JSON.parse(
    text.replaceAll(
      /"filename":"\/golden\/(\w+)\.pem"/g,
      (_all, name: string) => `"inline_string":${JSON.stringify(contents[name] ?? '')}`,
    ),
  ) as Record<string, Json[]>
}

/** Deep: every connection manager with `rds` gets the table itself. */
function replaceRds(value: unknown, tables: ReadonlyMap<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((each) => replaceRds(each, tables))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaceRds(inner, tables)]))
  if (!String(entries['@type'] ?? '').endsWith(MANAGER) || entries.rds === undefined) return entries
  const { rds, ...others } = entries
  const name = String((rds as Json).route_config_name)
  const table = tables.get(name)
  if (table === undefined) throw new Error(`a listener names the route table '${name}', which is not there`)
  return { ...others, route_config: table }
}

function replaceEds(cluster: Json, assignments: ReadonlyMap<string, Json>): Json {
  if (cluster.type !== 'EDS') return cluster
  const { eds_cluster_config: eds, ...others } = cluster
  const assignment = assignments.get(String((eds as Json | undefined)?.service_name ?? cluster.name))
  if (assignment === undefined) throw new Error(`the cluster '${cluster.name}' has no load assignment`)
  return { ...others, type: 'STATIC', load_assignment: assignment }
}

/** Names of what a proxy would be given by Kubernetes secrets. */
function namedSecrets(resources: readonly Json[]): readonly string[] {
  return [...new Set(JSON.stringify(resources).match(/kubernetes(?:-ca)?:\/\/[^"]+/g) ?? [])]
}

function secrets({ ca, uri }: BootstrapIdentity, named: readonly string[]): readonly Json[] {
  const { chainPem, keyPem } = ca.issue(uri)
  const certificate = { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } }
  const authorities = { trusted_ca: { inline_string: ca.rootPem } }
  return [
    ...named.map((name) =>
      /-cacert$|^kubernetes-ca:/.test(name) ? { name, validation_context: authorities } : { name, tls_certificate: certificate },
    ),
    { name: 'default', tls_certificate: { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } } },
    { name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: ca.rootPem } } },
  ]
}
