// The mesh of a cluster, asked by the CLI: each replica of the control plane answers on the loopback of its pod, reached by port forwarding
// (kube/port-forward.ts), so that the right to forward ports there is the authentication. Used by find-mesh.ts.
// Invariant: what only a replica knows (its proxies) is asked of all of them; one that does not answer is named, never passed over.

import type { Duplex } from 'node:stream'
import { isRecord } from '../api/record.ts'
import { LateenError } from '../base/errors.ts'
import { request } from '../base/node-http.ts'
import { createKubeClient } from '../kube/client.ts'
import type { KubeConnection } from '../kube/connection.ts'
import { loadConnection } from '../kube/load-connection.ts'
import { openPodPort } from '../kube/port-forward.ts'
import { resourceOf } from '../kube/resource.ts'
import { STATUS_PORT } from '../standalone/mesh-api.ts'
import { type MeshClient, refused } from '../standalone/mesh-client.ts'
import type { CliContext } from './command.ts'

export interface ClusterOptions {
  readonly kubeconfig?: string
  readonly context?: string
  readonly systemNamespace: string
  readonly revision: string
}

/** What only reads. */
export type MeshReader = Pick<MeshClient, 'get'>

const TIMEOUT_MS = 30_000

export async function connectCluster(options: ClusterOptions, context: CliContext): Promise<MeshReader> {
  const { clock, env } = context
  const connection = await loadConnection({ clock, env, kubeconfig: options.kubeconfig, context: options.context })
  if (!connection.ok) throw new LateenError('MESH_NOT_RUNNING', connection.failure.message)
  const replicas = await replicasOf(connection.value, options, context)
  const ask = (replica: string, path: string): Promise<unknown> =>
    askReplica(connection.value, options.systemNamespace, replica, path, context)
  return {
    async get(path) {
      if (!path.startsWith('/v1/proxies')) return firstAnswer(replicas, (replica) => ask(replica, path))
      const answers = await Promise.all(replicas.map(async (replica) => proxiesOf(await ask(replica, path), replica)))
      return { proxies: answers.flat().sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)) }
    },
  }
}

/** Names of its pods that run. */
async function replicasOf(connection: KubeConnection, options: ClusterOptions, context: CliContext): Promise<readonly string[]> {
  const { systemNamespace: namespace, revision } = options
  const client = createKubeClient(connection, { clock: context.clock, userAgent: `lateen-cli/${context.version}`, timeoutMs: 10_000 })
  try {
    const labelSelector = `app=lateen-control-plane,istio.io/rev=${revision}`
    const listed = await client.list(resourceOf('Pod'), { namespace, labelSelector, signal: context.signal })
    if (!listed.ok) throw new LateenError('MESH_NOT_RUNNING', listed.failure.message)
    const running = listed.value.items.filter(({ status, metadata }) => {
      return isRecord(status) && status.phase === 'Running' && metadata.deletionTimestamp === undefined
    })
    if (running.length > 0) return running.map(({ metadata }) => metadata.name).sort()
    throw new LateenError(
      'MESH_NOT_RUNNING',
      `No control plane of revision '${revision}' runs in the namespace ${namespace} of ${connection.source}. ` +
        'Install one with: lateen install; or say where it is: --system-namespace, --revision',
    )
  } finally {
    client.close()
  }
}

async function firstAnswer(replicas: readonly string[], ask: (replica: string) => Promise<unknown>): Promise<unknown> {
  let failure: unknown
  for (const replica of replicas) {
    try {
      return await ask(replica)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function askReplica(connection: KubeConnection, namespace: string, pod: string, path: string, context: CliContext): Promise<unknown> {
  const opened = await openPodPort(connection, { namespace, pod, port: STATUS_PORT }, context.clock)
  if (!opened.ok) {
    const hint = opened.failure.reason === 'Forbidden' ? `; it takes the right to create pods/portforward in ${namespace}` : ''
    throw new LateenError('MESH_NOT_RUNNING', `${opened.failure.message}${hint}`)
  }
  const stream = opened.value
  try {
    return await exchange(stream, path, pod)
  } finally {
    stream.destroy()
  }
}

function exchange(stream: Duplex, path: string, pod: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const message = `the control plane's pod ${pod} does not answer on its port ${STATUS_PORT} (${error.message})`
      reject(new LateenError('MESH_NOT_RUNNING', message, { cause: error }))
    }
    const outgoing = request(
      { path, createConnection: () => stream, headers: { connection: 'close' }, timeout: TIMEOUT_MS },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', failed)
        response.on('end', () => {
          const body = parseJson(text)
          if (response.statusCode === 200) resolve(body)
          else reject(refused('GET', path, { status: response.statusCode ?? 0, body }))
        })
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    outgoing.on('error', failed)
    outgoing.end()
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function proxiesOf(answer: unknown, replica: string): readonly Readonly<Record<string, unknown>>[] {
  const proxies: readonly unknown[] = isRecord(answer) && Array.isArray(answer.proxies) ? answer.proxies : []
  return proxies.filter(isRecord).map((proxy) => ({ ...proxy, controlPlane: replica }))
}

function nameOf({ namespace, workload }: Readonly<Record<string, unknown>>): string {
  return `${String(namespace)}/${String(workload)}`
}
