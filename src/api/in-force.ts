// What this version acts on. Everything else that is set yields a Finding on its object, every time: nothing is silent.
// To put a field into force: add its line to `fieldsInForce` (a line covers all below it); to put a kind into force: add the kind.
// What a stock Envoy does and Lateen's own proxies do not yet is in stock-fields.ts.
// test/house/in-force.test.ts enumerates the schemas against these tables.
import type { FieldPath } from './field-path.ts'
import type { AnyApiObject, KindInfo, KindName } from './kinds.ts'
import { isRecord } from './record.ts'
import type { Report } from './report.ts'
import { ownProperty } from './schema/check.ts'
import type { SchemaNode } from './schema/schema-node.ts'
import { type StockFields, stockFields } from './stock-fields.ts'

/** Of limits towards a destination, or towards the application. */
const connectionPool: readonly string[] = [
  ...['maxConnections', 'connectTimeout', 'idleTimeout', 'tcpKeepalive'].map((field) => `tcp.${field}`),
  ...['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'idleTimeout'].map(
    (field) => `http.${field}`,
  ),
  ...['h2UpgradePolicy', 'useClientProtocol', 'maxConcurrentStreams', 'http2KeepAlive'].map((field) => `http.${field}`),
]

/** Of every trafficPolicy, whatever it is for. */
const policyBlocks: readonly string[] = [
  'loadBalancer.simple',
  'loadBalancer.localityLbSetting',
  ...connectionPool.map((field) => `connectionPool.${field}`),
  ...['mode', 'clientCertificate', 'privateKey', 'caCertificates', 'subjectAltNames', 'sni', 'insecureSkipVerify'].map(
    (field) => `tls.${field}`,
  ),
]

const workloadEntry: readonly string[] = ['address', 'ports', 'labels', 'locality', 'weight', 'serviceAccount']

/** Kind -> fields in force below spec; `[]` stands for every entry of a list, `{}` for every entry of a map. */
export const fieldsInForce: { readonly [Kind in KindName]?: readonly string[] } = {
  VirtualService: [
    'hosts',
    'gateways',
    'http[].name',
    'http[].match[].name',
    'http[].match[].uri',
    'http[].match[].headers',
    'http[].match[].withoutHeaders',
    'http[].match[].method',
    'http[].match[].authority',
    'http[].match[].scheme',
    'http[].match[].queryParams',
    'http[].match[].port',
    'http[].match[].ignoreUriCase',
    'http[].route[].destination.host',
    'http[].route[].destination.subset',
    'http[].route[].destination.port',
    'http[].route[].weight',
    'http[].route[].headers',
    'exportTo',
    ...[
      'tls[].match[].sniHosts',
      ...['tls[]', 'tcp[]'].flatMap((of) => [
        ...['destinationSubnets', 'port', 'sourceLabels', 'sourceNamespace', 'gateways'].map((field) => `${of}.match[].${field}`),
        ...['destination.host', 'destination.subset', 'destination.port', 'weight'].map((field) => `${of}.route[].${field}`),
      ]),
    ],
    ...['sourceLabels', 'sourceNamespace', 'gateways'].map((field) => `http[].match[].${field}`),
    ...['timeout', 'redirect', 'rewrite', 'directResponse', 'headers', 'delegate'].map((action) => `http[].${action}`),
    ...['attempts', 'perTryTimeout', 'retryOn', 'retryIgnorePreviousHosts', 'backoff'].map((field) => `http[].retries.${field}`),
  ],
  DestinationRule: [
    'host',
    'exportTo',
    'workloadSelector',
    'subsets[].name',
    'subsets[].labels',
    ...['', 'portLevelSettings[].'].flatMap((at) =>
      ['', 'subsets[].'].flatMap((of) => policyBlocks.map((block) => `${of}trafficPolicy.${at}${block}`)),
    ),
    'trafficPolicy.portLevelSettings[].port',
    'subsets[].trafficPolicy.portLevelSettings[].port',
  ],
  ServiceEntry: [
    'hosts',
    'addresses',
    'ports',
    'location',
    'resolution',
    ...workloadEntry.map((field) => `endpoints[].${field}`),
    'workloadSelector',
    'exportTo',
    'subjectAltNames',
  ],
  WorkloadEntry: workloadEntry,
  Sidecar: [
    ...['workloadSelector', 'egress[].hosts', 'egress[].port.number', 'outboundTrafficPolicy.mode', 'outboundTrafficPolicy.egressProxy'],
    ...['port.number', 'port.protocol', 'bind', 'captureMode', 'defaultEndpoint'].map((field) => `ingress[].${field}`),
    ...['mode', 'serverCertificate', 'privateKey', 'caCertificates', 'minProtocolVersion', 'maxProtocolVersion'].map(
      (field) => `ingress[].tls.${field}`,
    ),
    ...['ingress[].tls.cipherSuites', 'ingress[].tls.ecdhCurves'],
    ...['ingress[].connectionPool', 'inboundConnectionPool'].flatMap((pool) => connectionPool.map((field) => `${pool}.${field}`)),
  ],
  Gateway: [
    ...['selector', 'servers[].port.number', 'servers[].port.protocol', 'servers[].port.name', 'servers[].bind', 'servers[].hosts'],
    ...['httpsRedirect', 'mode', 'serverCertificate', 'privateKey', 'caCertificates', 'subjectAltNames'].map(
      (field) => `servers[].tls.${field}`,
    ),
    ...['credentialName', 'credentialNames', 'caCertCredentialName'].map((field) => `servers[].tls.${field}`),
    ...['serverCertificate', 'privateKey'].map((field) => `servers[].tls.tlsCertificates[].${field}`),
    ...['minProtocolVersion', 'maxProtocolVersion', 'cipherSuites', 'ecdhCurves'].map((field) => `servers[].tls.${field}`),
  ],
  PeerAuthentication: ['selector', 'mtls', 'portLevelMtls'],
  Service: [
    'type',
    'selector',
    'ports[].name',
    'ports[].protocol',
    'ports[].appProtocol',
    'ports[].port',
    'ports[].targetPort',
    'clusterIP',
    'clusterIPs',
    'externalName',
    'publishNotReadyAddresses',
    'ipFamilies',
  ],
  Pod: ['serviceAccountName', 'nodeName', 'hostNetwork', 'containers[].ports', 'initContainers[].ports'],
  Node: [],
  EndpointSlice: ['addressType', 'ports', 'endpoints'],
  MeshConfig: [
    ...['accessLogFile', 'accessLogFormat', 'enableAutoMtls', 'outboundTrafficPolicy.mode', 'connectTimeout', 'dnsRefreshRate'],
    ...['trustDomainAliases', 'defaultServiceExportTo', 'defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo'],
    ...['accessLogEncoding', 'trustDomain', 'rootNamespace', 'protocolDetectionTimeout', 'inboundTrafficPolicy.mode'],
    ...['attempts', 'perTryTimeout', 'retryOn', 'retryIgnorePreviousHosts', 'backoff'].map((field) => `defaultHttpRetryPolicy.${field}`),
    ...['meshMTLS', 'tlsDefaults', 'pathNormalization', 'inboundClusterStatName', 'outboundClusterStatName'],
    ...['h2UpgradePolicy', 'tcpKeepalive', 'discoverySelectors'],
  ],
  Namespace: [],
  ServiceAccount: [],
  LocalWorkload: ['serviceAccount', 'command', 'gateway', 'workingDirectory', 'env', 'ports', 'publish', 'readinessProbe', 'replicas'],
}

/** Values that say what is the case anyway, so that a field not in force yet may carry them without a word. */
export const defaultsInForce: { readonly [Kind in KindName]?: Readonly<Record<string, string>> } = {
  Service: { sessionAffinity: '"None"', internalTrafficPolicy: '"Cluster"' },
  MeshConfig: {
    ...{ proxyListenPort: '15001', proxyInboundListenPort: '15006', enableTracing: 'false', ingressControllerMode: '"OFF"' },
    ...{ enableEnvoyAccessLogService: 'false', verifyCertificateAtClient: 'false' },
  },
  Sidecar: { 'egress[].captureMode': '"DEFAULT"' },
}

/** What does the same, for fields of which a mesh's user expects it. */
const INSTEAD: { readonly [Kind in KindName]?: Readonly<Record<string, string>> } = {
  // kube-proxy's: a sidecar chooses the endpoint itself (as in Istio).
  Service: {
    sessionAffinity: "a DestinationRule's loadBalancer.consistentHash.useSourceIp does it",
    trafficDistribution: "a DestinationRule's loadBalancer.localityLbSetting does it",
  },
}

/** Of kinds that are not in force: what would have to be there first, and what to do meanwhile. */
const WITHOUT_EFFECT: { readonly [Kind in KindName]?: string } = {
  WorkloadGroup: ': it is the template of workloads that register themselves, and none can yet; write a WorkloadEntry for each of them',
  ProxyConfig:
    ': it is for proxies that are injected, and none is yet; a proxy has the environment and the threads that it is started with',
}

/** Kinds of which a policy that is ignored would let through what its author forbade: until in force, the selected workloads deny. */
export const denyingKinds: readonly KindName[] = ['AuthorizationPolicy', 'RequestAuthentication']

/** Fields that Istio reads and never acts on (its API reference hides them), each with what it is. They do nothing here either. */
const INEFFECTIVE: { readonly [Kind in KindName]?: Readonly<Record<string, string>> } = {
  VirtualService: {
    'tcp[].match[].sourceSubnet': 'no mesh implements it; who may connect is a matter of policies',
  },
  Gateway: {
    'servers[].defaultEndpoint': 'no mesh implements it',
    'servers[].name': 'it names statistics in other meshes; the port and the host do here',
    'servers[].tls.insecureSkipVerify': 'clients that must show a certificate are always verified',
    'servers[].tls.tlsCertificates[].caCertificates': 'whom to trust is said once for the server, by caCertificates',
  },
}

/** Fields that are none of a mesh's business or only repeat what is known, and so not worth a word. */
const SILENT: { readonly [Kind in KindName]?: readonly string[] } = {
  Service: ['ports[].nodePort'],
  // A port of a service says these itself; a Sidecar only says which one it means.
  Sidecar: ['egress[].port.name', 'egress[].port.protocol', 'ingress[].port.name'],
}

export function reportNotInForce(object: AnyApiObject, info: KindInfo, schema: SchemaNode, report: Report): void {
  const inForce = fieldsInForce[info.kind]
  if (inForce === undefined) {
    const code = denyingKinds.includes(info.kind) ? 'LTN0104' : 'LTN0103'
    report(code, ['kind'], { kind: info.kind, more: WITHOUT_EFFECT[info.kind] ?? '' })
    return
  }
  const spec = ownProperty(schema.properties, 'spec')
  if (spec === undefined) return
  const table: InForceTable = {
    inForce: [...inForce, ...(SILENT[info.kind] ?? [])],
    atStockEnvoys: stockFields[info.kind] ?? {},
    ineffective: INEFFECTIVE[info.kind] ?? {},
    defaults: defaultsInForce[info.kind] ?? {},
    instead: INSTEAD[info.kind] ?? {},
  }
  walk(object.spec, spec, ['spec'], '', table, report)
}

interface InForceTable {
  readonly inForce: readonly string[]
  readonly atStockEnvoys: StockFields
  readonly ineffective: Readonly<Record<string, string>>
  readonly defaults: Readonly<Record<string, string>>
  readonly instead: Readonly<Record<string, string>>
}

/** Reports the topmost field below which nothing is in force. `pattern` is the path below spec with `[]` and `{}`. */
function walk(value: unknown, schema: SchemaNode, path: FieldPath, pattern: string, table: InForceTable, report: Report): void {
  if (table.inForce.includes(pattern) || (pattern !== '' && table.defaults[pattern] === JSON.stringify(value))) return
  const field = `'${path.at(-1)}'`
  const meanwhile = table.atStockEnvoys[pattern]
  if (meanwhile !== undefined) {
    report('LTN0121', path, { field, meanwhile }, 'key')
    return
  }
  const ineffective = table.ineffective[pattern]
  if (ineffective !== undefined) {
    report('LTN0147', path, { field, reason: ineffective }, 'key')
    return
  }
  const known = [...table.inForce, ...Object.keys(table.atStockEnvoys), ...Object.keys(table.ineffective)]
  if (pattern !== '' && !known.some((entry) => isBelow(entry, pattern))) {
    report('LTN0102', path, { field: `${field}${insteadOf(pattern, table)}` }, 'key')
    return
  }
  if (Array.isArray(value)) {
    const { items } = schema
    if (items !== undefined) value.forEach((item, index) => void walk(item, items, [...path, index], `${pattern}[]`, table, report))
  } else if (isRecord(value)) {
    for (const [field, inner] of Object.entries(value)) {
      const known = ownProperty(schema.properties, field)
      const child = known ?? schema.values
      const step = known === undefined ? `${pattern}{}` : pattern === '' ? field : `${pattern}.${field}`
      if (child !== undefined) walk(inner, child, [...path, field], step, table, report)
    }
  }
}

function insteadOf(pattern: string, { instead }: InForceTable): string {
  return instead[pattern] === undefined ? '' : ` (${instead[pattern]})`
}

function isBelow(entry: string, pattern: string): boolean {
  return entry.startsWith(pattern) && /^[.[{]/.test(entry.slice(pattern.length))
}

/** Every leaf of a kind's spec that is not in force, as patterns: `lateen analyze --fields` prints them. */
export function fieldsNotInForce(info: KindInfo, schema: SchemaNode): readonly string[] {
  const { kind } = info
  return leavesOutside(schema, [...(fieldsInForce[kind] ?? []), ...Object.keys(stockFields[kind] ?? {}), ...(SILENT[kind] ?? [])])
}

/** Every leaf that is in force at stock Envoys alone. */
export function fieldsAtStockEnvoys(info: KindInfo, schema: SchemaNode): readonly string[] {
  const { kind } = info
  const atStock = Object.keys(stockFields[kind] ?? {})
  const others = leavesOutside(schema, [...(fieldsInForce[kind] ?? []), ...(SILENT[kind] ?? [])])
  return others.filter((leaf) => atStock.some((entry) => leaf === entry || isBelow(leaf, entry)))
}

function leavesOutside(schema: SchemaNode, inForce: readonly string[]): readonly string[] {
  const found: string[] = []
  const visit = (node: SchemaNode, pattern: string): void => {
    if (inForce.some((entry) => pattern === entry || isBelow(pattern, entry))) return
    const children = childrenOf(node, pattern)
    if (children.length === 0) found.push(pattern)
    for (const [name, child] of children) visit(child, name)
  }
  const spec = ownProperty(schema.properties, 'spec')
  if (spec !== undefined) for (const [name, child] of childrenOf(spec, '')) visit(child, name)
  return found
}

function childrenOf(node: SchemaNode, pattern: string): readonly (readonly [string, SchemaNode])[] {
  if (node.items !== undefined) return [[`${pattern}[]`, node.items]]
  if (node.values !== undefined) return [[`${pattern}{}`, node.values]]
  return Object.entries(node.properties ?? {}).map(([name, child]) => [pattern === '' ? name : `${pattern}.${name}`, child])
}
