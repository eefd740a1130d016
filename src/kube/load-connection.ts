// Finds the API server and our credentials: a kubeconfig (named, KUBECONFIG, ~/.kube/config), else the pod's own service account.
// Called by bin and the CLI, once. Invariant: @kubernetes/client-node is loaded here and nowhere else, and only when a kubeconfig is read:
// it costs 38 MB and 0.2 s (docs/decisions/own-kubernetes-client.md).
import { existsSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import path from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Clock } from '../base/clock.ts'
import { errorMessage, LateenError } from '../base/errors.ts'
import type { KubeConnection, KubeCredentials } from './connection.ts'
import { CredentialsCache } from './credentials-cache.ts'
import { failed, failureOf, type KubeResult } from './failure.ts'
import { inClusterConnection, isInCluster } from './in-cluster.ts'

export interface ConnectionChoice {
  readonly clock: Clock
  /** The process's environment (bin hands it in): KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--kubeconfig`: wins over everything. */
  readonly kubeconfig?: string | undefined
  /** `--context` */
  readonly context?: string | undefined
}

/** The order of kubectl. */
export async function loadConnection(choice: ConnectionChoice): Promise<KubeResult<KubeConnection>> {
  const files = kubeconfigFiles(choice)
  if (files.length === 0 && isInCluster(choice.env)) return inClusterConnection(choice)
  if (files.length === 0) {
    const detail =
      'there is no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), and this is not a pod: say --kubeconfig FILE, or set KUBECONFIG'
    return failed(failureOf('find the API server', 0, 'Other', detail))
  }
  try {
    return { ok: true, value: await readKubeconfig(files, choice) }
  } catch (error) {
    return failed(failureOf('find the API server', 0, 'Credentials', `${files.join(', ')}: ${errorMessage(error)}`))
  }
}

/** Whether there is something to connect to, without looking into it. */
export function hasKubeconfig(env: ConnectionChoice['env']): boolean {
  return kubeconfigFiles({ env }).length > 0 || isInCluster(env)
}

function kubeconfigFiles({ kubeconfig, env }: Pick<ConnectionChoice, 'kubeconfig' | 'env'>): readonly string[] {
  if (kubeconfig !== undefined) return [kubeconfig]
  // As kubectl: files of the list that are not there are skipped.
  const named = (env.KUBECONFIG ?? '').split(path.delimiter).filter((file) => file !== '')
  if (named.length > 0) return named.length === 1 ? named : named.filter((file) => existsSync(file))
  const own = env.HOME === undefined ? undefined : path.join(env.HOME, '.kube', 'config')
  return own !== undefined && existsSync(own) ? [own] : []
}

async function readKubeconfig(files: readonly string[], choice: ConnectionChoice): Promise<KubeConnection> {
  let config = await parse(files, choice.context)
  const cluster = config.getCurrentCluster()
  const context = config.getContextObject(config.getCurrentContext())
  if (cluster === null || context === null) {
    const known = config.getContexts().map(({ name }) => `'${name}'`)
    throw new LateenError('NO_CONTEXT', `it has no cluster for the context '${config.getCurrentContext()}'; it has: ${known.join(', ')}`)
  }
  const cache = new CredentialsCache(choice.clock, async (refused) => {
    // Whoever rewrites credentials rewrites the file; the library keeps tokens of files for a minute of its own.
    if (refused) config = await parse(files, choice.context)
    return credentialsOf(config)
  })
  return {
    server: new URL(cluster.server),
    namespace: context.namespace ?? 'default',
    source: `${files.join(', ')} (context ${context.name})`,
    credentials: (refused) => cache.get(refused),
  }
}

async function parse(files: readonly string[], context: string | undefined): Promise<KubeConfig> {
  // This file and not the package's index: that one loads 700 generated classes besides.
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
  const [config, ...others] = files.map((file) => {
    const read = new KubeConfig()
    read.loadFromFile(file)
    return read
  })
  if (config === undefined) throw new LateenError('NO_KUBECONFIG', 'no file of KUBECONFIG exists')
  for (const other of others) config.mergeConfig(other)
  if (context !== undefined) config.setCurrentContext(context)
  return config
}

/** The library applies tokens, token files, exec plugins, OIDC, impersonation, certificates to the options of a request. */
async function credentialsOf(config: KubeConfig): Promise<KubeCredentials> {
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value)
  if (typeof options.auth === 'string') headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`
  const throughProxy = config.getCurrentCluster()?.proxyUrl !== undefined && typeof options.agent === 'object'
  return {
    headers,
    ...(isPem(options.ca) ? { ca: options.ca } : {}),
    ...(isPem(options.cert) ? { certificate: options.cert } : {}),
    ...(isPem(options.key) ? { key: options.key } : {}),
    ...(options.servername === undefined ? {} : { serverName: options.servername }),
    ...(options.rejectUnauthorized === false ? { insecure: true } : {}),
    ...(throughProxy && typeof options.agent === 'object' ? { agent: options.agent } : {}),
  }
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value)
}
