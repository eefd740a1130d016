// The options of `lateen control-plane --kubernetes`: the chart writes them, so that nobody has to read a program to know a Deployment.
import { parseArgs } from 'node:util'
import { parseDurationMs } from '../../../base/duration.ts'
import { LateenError } from '../../../base/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../../../base/log.ts'
import { LEAF_VALIDITY_MS } from '../../../ca/issuer.ts'
import { STATUS_PORT } from '../../../standalone/mesh-api.ts'

export interface KubernetesOptions {
  readonly revision: string
  /** Of this control plane; also the mesh's root namespace unless MeshConfig names another. */
  readonly namespace: string
  readonly podName: string
  /** Where other replicas reach this one. */
  readonly podAddress: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly monitoringPort: number
  readonly webhookPort: number
  readonly healthPort: number
  /** On the pod's loopback alone. */
  readonly statusPort: number
  readonly injectorConfigPath: string
  readonly webhookCertificateFolder: string
  /** Empty: the whole cluster. */
  readonly watchNamespaces: readonly string[]
  readonly certificateLifetimeMs: number
  readonly clusterDomain: string
  readonly logLevel: LogLevel
  readonly logFormat: 'text' | 'json'
  readonly kubeconfig: string | undefined
}

export const KUBERNETES_USAGE = `Usage: lateen control-plane --kubernetes [options]
  --revision NAME            of this control plane (default default)
  --namespace NAME           where it runs [POD_NAMESPACE]
  --listen ADDR:PORT         xDS and certificates (default 0.0.0.0:15012)
  --monitoring PORT          metrics and version (default 15014)
  --webhook PORT             injection and validation (default 15017)
  --health PORT              /healthz and /ready (default 8080)
  --status PORT              what the CLI asks, on 127.0.0.1 alone (default 8081)
  --injector-config FILE     what is injected; watched (default /etc/lateen/injector/config.yaml)
  --webhook-certificate DIR  tls.crt and tls.key; watched (default /etc/lateen/webhook)
  --watch-namespaces A,B     the only namespaces of the mesh (default: all)
  --certificate-lifetime TIME  of workloads and of the control plane itself, from 5s to 24h (default 24h)
  --cluster-domain NAME      (default cluster.local)
  --kubeconfig FILE          for a control plane outside of the cluster [KUBECONFIG]
  --log-level LEVEL          ${LOG_LEVELS.join(', ')} (default info)
  --log-format FORMAT        text or json (default json)
`

const OPTIONS = {
  kubernetes: { type: 'boolean', default: true },
  revision: { type: 'string', default: 'default' },
  namespace: { type: 'string' },
  listen: { type: 'string', default: '0.0.0.0:15012' },
  monitoring: { type: 'string', default: '15014' },
  webhook: { type: 'string', default: '15017' },
  health: { type: 'string', default: '8080' },
  status: { type: 'string', default: String(STATUS_PORT) },
  'injector-config': { type: 'string', default: '/etc/lateen/injector/config.yaml' },
  'webhook-certificate': { type: 'string', default: '/etc/lateen/webhook' },
  'watch-namespaces': { type: 'string', default: '' },
  'certificate-lifetime': { type: 'string', default: '24h' },
  'cluster-domain': { type: 'string', default: 'cluster.local' },
  kubeconfig: { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  'log-format': { type: 'string', default: 'json' },
  help: { type: 'boolean', default: false },
} as const

/** Throws with a sentence. */
export function parseKubernetesOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): KubernetesOptions | 'help' {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
  if (values.help) return 'help'
  const namespace = values.namespace ?? env.POD_NAMESPACE ?? ''
  if (namespace === '')
    throw new LateenError('BAD_OPTION', '--namespace is missing, and POD_NAMESPACE is not set: say where the control plane runs')
  return {
    revision: values.revision,
    namespace,
    podName: env.POD_NAME ?? env.HOSTNAME ?? 'lateen-control-plane',
    podAddress: env.POD_IP ?? '127.0.0.1',
    listen: hostPort(values.listen),
    monitoringPort: portNumber(values.monitoring, '--monitoring'),
    webhookPort: portNumber(values.webhook, '--webhook'),
    healthPort: portNumber(values.health, '--health'),
    statusPort: portNumber(values.status, '--status'),
    injectorConfigPath: values['injector-config'],
    webhookCertificateFolder: values['webhook-certificate'],
    watchNamespaces: values['watch-namespaces'].split(',').filter((name) => name !== ''),
    certificateLifetimeMs: certificateLifetime(values['certificate-lifetime']),
    clusterDomain: values['cluster-domain'],
    logLevel: logLevel(values['log-level']),
    logFormat: values['log-format'] === 'text' ? 'text' : 'json',
    kubeconfig: values.kubeconfig,
  }
}

export function hostPort(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  if (at <= 0) throw new LateenError('BAD_OPTION', `--listen is '${text}'; write ADDRESS:PORT, for instance 127.0.0.1:0`)
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: portNumber(text.slice(at + 1), '--listen') }
}

export function portNumber(text: string, option: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new LateenError('BAD_OPTION', `${option}: '${text}' is not a port; it is a number from 0 to 65535`)
  return port
}

/** More than a day would make a stolen key useful for longer than anybody looks. */
export function certificateLifetime(text: string): number {
  const parsed = parseDurationMs(text)
  if (parsed.ok && parsed.value >= 5000 && parsed.value <= LEAF_VALIDITY_MS) return parsed.value
  throw new LateenError('BAD_OPTION', `--certificate-lifetime is '${text}'; it is a time from 5s to 24h, for instance 12h`)
}

export function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text)
  if (level === undefined) throw new LateenError('BAD_OPTION', `--log-level is '${text}'; it is one of ${LOG_LEVELS.join(', ')}`)
  return level
}
