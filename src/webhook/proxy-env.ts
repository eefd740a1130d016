// The proxy's environment: who it is (by Kubernetes' downward API), its bootstrap, its agent. Pure.
// Invariant: a variable stands before those that use it as `$(NAME)`, and a `$` that a person wrote is doubled, because Kubernetes expands
// `$(NAME)` in values; everything that differs between the pods of a template is such a reference, so that the template is enough.
import type { AgentSettings } from '../envoy/agent-settings.ts'
import { proxyBootstrap } from '../envoy/sidecar-bootstrap.ts'
import type { InjectorConfig } from './injector-config.ts'
import { ownerUri, type Workload } from './owner.ts'
import type { ContainerPort, EnvVar, Texts } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'
import { PLACES } from './volumes.ts'

export interface ProxyEnvInput {
  readonly settings: PodSettings
  readonly role: 'sidecar' | 'router'
  readonly namespace: string
  /** Of the injected pod. */
  readonly labels: Texts
  readonly workload: Workload
  readonly ports: readonly ContainerPort[]
  readonly agent: AgentSettings
  readonly version: string
}

/** Applications without capture send to this port of the proxy as to an HTTP proxy. */
export const HTTP_PROXY_PORT = 15_001

export function proxyEnv(input: ProxyEnvInput): readonly EnvVar[] {
  const { settings, agent } = input
  const { config, proxyMetadata } = settings
  const own: readonly EnvVar[] = [
    fromField('POD_NAME', 'metadata.name'),
    fromField('POD_NAMESPACE', 'metadata.namespace'),
    fromField('INSTANCE_IP', 'status.podIP'),
    fromField('INSTANCE_IPS', 'status.podIPs'),
    fromField('HOST_IP', 'status.hostIP'),
    fromField('NODE_NAME', 'spec.nodeName'),
    fromField('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    literal('LATEEN_CA_ADDRESS', config.controlPlane.address),
    literal('LATEEN_CA_NAME', controlPlaneName(config)),
    literal('LATEEN_CA_ROOT', `${PLACES.root}/root-cert.pem`),
    literal('LATEEN_CA_TOKEN_FILE', `${PLACES.token}/token`),
    literal('LATEEN_TRUST_DOMAIN', config.trustDomain),
    literal('LATEEN_STATE', PLACES.state),
    ...(config.concurrency > 0 ? [literal('LATEEN_CONCURRENCY', String(config.concurrency))] : []),
    literal('LATEEN_LOG_LEVEL', config.logLevel),
    literal('LATEEN_DRAIN_TIME', config.drainTime),
    // Istio's switch, under the name of our proxy's.
    ...(proxyMetadata.EXIT_ON_ZERO_ACTIVE_CONNECTIONS === 'true' ? [literal('LATEEN_EXIT_ON_ZERO_CONNECTIONS', 'true')] : []),
    { name: 'LATEEN_BOOTSTRAP', value: expandable(bootstrap(input)) },
    literal('LATEEN_AGENT', JSON.stringify(agent)),
  ]
  const taken = new Set(own.map(({ name }) => name))
  // Istio's users write $(POD_NAME) and the like here: passed on as it is, after what it may use.
  const metadata = Object.entries(proxyMetadata).flatMap(([name, value]) => (taken.has(name) ? [] : [{ name, value }]))
  return [...own.slice(0, 7), ...metadata, ...own.slice(7)]
}

export function controlPlaneName({ controlPlane }: InjectorConfig): string {
  return controlPlane.name === '' ? splitAddress(controlPlane.address).host : controlPlane.name
}

function bootstrap(input: ProxyEnvInput): unknown {
  const { settings, role, namespace, labels, workload, ports, version } = input
  const { config, proxyMetadata } = settings
  const domain = `${reference('POD_NAMESPACE')}.svc.${config.clusterDomain}`
  const fromMetadata = Object.entries(proxyMetadata).flatMap(([name, value]) => {
    return name.startsWith('ISTIO_META_') && name.length > 11 ? [[name.slice(11), value] as const] : []
  })
  return proxyBootstrap({
    node: { type: role, address: reference('INSTANCE_IP'), workload: reference('POD_NAME'), namespace: reference('POD_NAMESPACE'), domain },
    cluster: clusterName(input),
    metadata: {
      ...Object.fromEntries(fromMetadata),
      NAMESPACE: reference('POD_NAMESPACE'),
      NAME: reference('POD_NAME'),
      WORKLOAD_NAME: workload.name,
      OWNER: ownerUri(workload, namespace),
      LABELS: Object.fromEntries(Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1))),
      SERVICE_ACCOUNT: reference('SERVICE_ACCOUNT'),
      INSTANCE_IPS: reference('INSTANCE_IPS'),
      NODE_NAME: reference('NODE_NAME'),
      CLUSTER_ID: config.clusterId,
      MESH_ID: config.meshId === '' ? config.trustDomain : config.meshId,
      ...(config.network === '' ? {} : { NETWORK: config.network }),
      // A gateway's connections are addressed to it; nothing is redirected.
      ...(role === 'router' ? {} : { INTERCEPTION_MODE: config.capture === 'none' ? 'NONE' : 'REDIRECT' }),
      ...(role === 'sidecar' && config.capture === 'none' ? { HTTP_PROXY_PORT: String(HTTP_PROXY_PORT) } : {}),
      POD_PORTS: JSON.stringify(
        ports.map(({ name, containerPort, protocol }) => ({
          ...(name === undefined ? {} : { name }),
          containerPort,
          protocol: protocol ?? 'TCP',
        })),
      ),
      REVISION: config.revision,
      LATEEN_VERSION: version,
      CAPABILITIES: [],
    },
    admin: { host: '127.0.0.1', port: config.adminPort },
    xds: splitAddress(config.controlPlane.address),
    controlPlaneSan: controlPlaneName(config),
  })
}

/** Istio's `service` of traces. */
function clusterName({ settings, labels, workload }: ProxyEnvInput): string {
  const { serviceCluster, tracingServiceName } = settings
  const canonical = labels['service.istio.io/canonical-name'] ?? workload.name
  if (tracingServiceName === 'CANONICAL_NAME_ONLY') return canonical
  if (tracingServiceName === 'CANONICAL_NAME_AND_NAMESPACE') return `${canonical}.${reference('POD_NAMESPACE')}`
  if (serviceCluster !== undefined && serviceCluster !== 'istio-proxy') return serviceCluster
  return `${labels.app ?? workload.name}.${reference('POD_NAMESPACE')}`
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}

/** Two characters of Unicode's private use around a name: what no name, label or annotation holds. */
const [OPEN, CLOSE] = ['\uE0F0', '\uE0F1']

function reference(name: string): string {
  return `${OPEN}${name}${CLOSE}`
}

function expandable(value: unknown): string {
  return JSON.stringify(value).replaceAll('$', '$$$$').replaceAll(OPEN, '$(').replaceAll(CLOSE, ')')
}

function literal(name: string, value: string): EnvVar {
  return { name, value: value.replaceAll('$', '$$$$') }
}

function fromField(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}
