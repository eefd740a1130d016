// What a stock Envoy is sent and does, and Lateen's own proxies do not do yet. Read by in-force.ts; the generator sends these to clients
// whose scope says `isStock`, and to no other.
// A line covers all below it, and says what Lateen's proxies do meanwhile. When they honour a field (envoy/honoured.ts), its line moves to
// `fieldsInForce`. Invariant: what restricts access says how it fails closed, and never 'as if it were not set'.
import type { KindName } from './kinds.ts'

/** Field below spec, as in `fieldsInForce` -> what Lateen's own proxies do meanwhile. */
export type StockFields = Readonly<Record<string, string>>

/** Harmless to leave out. */
const AS_IF_UNSET = 'they act as if it were not set'

function unsetAt(...fields: readonly string[]): StockFields {
  return Object.fromEntries(fields.map((field) => [field, AS_IF_UNSET]))
}

function at(place: string, fields: StockFields): StockFields {
  return Object.fromEntries(Object.entries(fields).map(([field, meanwhile]) => [`${place}${field}`, meanwhile]))
}

const LEAST_REQUEST = 'they choose by least requests'
const OUTLIERS = ['consecutiveGatewayErrors', 'consecutive5xxErrors', 'splitExternalLocalOriginErrors', 'consecutiveLocalOriginFailures']
const EJECTION = ['interval', 'baseEjectionTime', 'maxEjectionPercent', 'minHealthPercent']
const UTILIZATION = ['errorUtilizationPenaltyPercent', 'weightExpirationPeriod', 'weightStabilizationPeriod', 'weightUpdatePeriod']

/** Of limits towards a destination, or towards the application. */
const connectionPool: StockFields = unsetAt('tcp.maxConnectionDuration')

/** Of every trafficPolicy, of its ports too. */
const policyBlocks: StockFields = {
  'loadBalancer.consistentHash': LEAST_REQUEST,
  ...Object.fromEntries(UTILIZATION.map((field) => [`loadBalancer.backendUtilization.${field}`, LEAST_REQUEST])),
  'loadBalancer.zoneAwareLbSetting': "they prefer the client's region, whatever the zone",
  ...unsetAt('loadBalancer.warmup', 'loadBalancer.warmupDurationSecs'),
  ...at('connectionPool.', connectionPool),
  ...Object.fromEntries([...OUTLIERS, ...EJECTION].map((field) => [`outlierDetection.${field}`, 'they eject no endpoint'])),
  'tls.caCrl': 'they accept no server, since it might be one that is revoked',
  'tls.credentialName': 'their gateways do it too, and their sidecars accept no server, since nobody tells them whom to trust',
}

/** Of a trafficPolicy as a whole. */
const trafficPolicy: StockFields = {
  ...policyBlocks,
  ...at('portLevelSettings[].', policyBlocks),
  ...unsetAt('tunnel', 'proxyProtocol', 'retryBudget.percent', 'retryBudget.minRetryConcurrency'),
}

export const stockFields: { readonly [Kind in KindName]?: StockFields } = {
  VirtualService: {
    ...unsetAt('http[].match[].statPrefix', 'http[].retries.retryRemoteLocalities'),
    ...unsetAt('http[].mirror', 'http[].mirrors', 'http[].mirrorPercentage', 'http[].mirrorPercent', 'http[].mirror_percent'),
    ...unsetAt('http[].fault', 'http[].corsPolicy'),
  },
  DestinationRule: { ...at('trafficPolicy.', trafficPolicy), ...at('subsets[].trafficPolicy.', trafficPolicy) },
  Gateway: Object.fromEntries(
    ['caCrl', 'verifyCertificateSpki', 'verifyCertificateHash'].map((field) => [`servers[].tls.${field}`, 'they do not open this server']),
  ),
  Sidecar: {
    ...Object.fromEntries(
      ['caCrl', 'verifyCertificateSpki', 'verifyCertificateHash'].map((field) => [
        `ingress[].tls.${field}`,
        "they let in nobody on this port but clients with the mesh's own certificates",
      ]),
    ),
    ...at('ingress[].connectionPool.', connectionPool),
    ...at('inboundConnectionPool.', connectionPool),
  },
  MeshConfig: {
    ...unsetAt('defaultHttpRetryPolicy.retryRemoteLocalities'),
  },
}
