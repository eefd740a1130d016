// The pod's own service account: address from the environment, token and root from files that the kubelet renews.
// Called by load-connection.ts. Written here because the library's way costs a control plane 38 MB for these twenty lines.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import type { KubeConnection } from './connection.ts'
import { CredentialsCache } from './credentials-cache.ts'
import { failed, failureOf, type KubeResult } from './failure.ts'

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

export interface PodEnvironment {
  readonly clock: Clock
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where the kubelet mounts the account; tests have their own. */
  readonly folder?: string
}

export function isInCluster(env: PodEnvironment['env'], folder = FOLDER): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined && existsSync(path.join(folder, 'token'))
}

export async function inClusterConnection({ clock, env, folder = FOLDER }: PodEnvironment): Promise<KubeResult<KubeConnection>> {
  const host = env.KUBERNETES_SERVICE_HOST ?? ''
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? '443'}`)
  // A bound service account token lives for an hour and the kubelet replaces it at 80 % of that: a cache of half a minute is never stale.
  const cache = new CredentialsCache(clock, async () => {
    const [token, ca] = await Promise.all([readFile(path.join(folder, 'token'), 'utf8'), readFile(path.join(folder, 'ca.crt'), 'utf8')])
    return { headers: { authorization: `Bearer ${token.trim()}` }, ca }
  })
  try {
    const namespace = (await readFile(path.join(folder, 'namespace'), 'utf8')).trim()
    return {
      ok: true,
      value: { server, namespace, source: `the pod's service account (${folder})`, credentials: (refused) => cache.get(refused) },
    }
  } catch (error) {
    return failed(failureOf('find the API server', 0, 'Credentials', `the pod's service account in ${folder}: ${errorMessage(error)}`))
  }
}
