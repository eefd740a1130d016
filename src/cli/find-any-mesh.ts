// The mesh that a command which only reads is about: the one that runs on this machine, or a cluster's. Used by get, proxy-status, findings,
// version. In this order: --state, or --kubeconfig and its companions; what runs on this machine; the cluster of the kubeconfig.
// Invariant: a mesh on this machine is meant before a cluster that a kubeconfig happens to name.
import type { Command } from 'commander'
import { LateenError } from '../base/errors.ts'
import { isUnreachable } from '../standalone/mesh-client.ts'
import type { MeshReader } from './cluster-mesh.ts'
import type { CliContext } from './command.ts'
import { findMesh, STATE_OPTION } from './find-mesh.ts'

export interface AnyMesh {
  readonly client: MeshReader
  readonly isCluster: boolean
}

export interface MeshOptions {
  readonly state?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly systemNamespace?: string
  readonly revision?: string
}

export function addMeshOptions(command: Command): Command {
  return command
    .option(...STATE_OPTION)
    .option('--kubeconfig <file>', 'a mesh in a cluster: its kubeconfig (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--system-namespace <name>', 'where the control plane runs (default: lateen-system)')
    .option('--revision <name>', 'revision of the control plane (default: default)')
}

export async function findAnyMesh(options: MeshOptions, context: CliContext): Promise<AnyMesh> {
  const { state, kubeconfig, context: name, systemNamespace, revision } = options
  const meansCluster = [kubeconfig, name, systemNamespace, revision].some((each) => each !== undefined)
  if (state !== undefined && meansCluster)
    throw new LateenError('MESH_AMBIGUOUS', '--state means a mesh on this machine, and the other options a cluster: leave out one of them')
  const cluster = async (): Promise<AnyMesh> => {
    const where = { systemNamespace: systemNamespace ?? 'lateen-system', revision: revision ?? 'default' }
    // Loaded where a cluster is meant: whoever asks a mesh on this machine need not wait for a client of Kubernetes.
    const { connectCluster } = await import('./cluster-mesh.ts')
    const client = await connectCluster(
      { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(name === undefined ? {} : { context: name }), ...where },
      context,
    )
    return { client, isCluster: true }
  }
  if (meansCluster) return cluster()
  try {
    return { client: (await findMesh(state, context)).client, isCluster: false }
  } catch (error) {
    if (state !== undefined || !isUnreachable(error)) throw error
    const { hasKubeconfig } = await import('../kube/load-connection.ts')
    if (!hasKubeconfig(context.env)) throw error
    return cluster()
  }
}
