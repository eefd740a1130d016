// What the supervisor and the CLI ask a running mesh, with the answers checked: one function per question, so that no path or field
// name of the socket's API is written anywhere else.
import type { LocalWorkload } from '../api/generated/local-workload.gen.ts'
import { LateenError } from '../base/errors.ts'
import type { AddressPlan, HostPort } from '../model/address-plan.ts'
import { type MeshClient, refused } from './mesh-client.ts'

export interface ControlPlaneVersion {
  readonly version: string
  /** Where proxies reach xDS and the CA. */
  readonly xds: HostPort
}

/** LocalWorkloads as they are in force, and where everything of them listens. */
export interface DesiredMesh {
  readonly workloads: readonly LocalWorkload[]
  readonly addresses: AddressPlan
}

export async function askVersion(client: MeshClient): Promise<ControlPlaneVersion> {
  const value = await client.get('/v1/version')
  if (isRecord(value) && typeof value.version === 'string' && isHostPort(value.xds)) return { version: value.version, xds: value.xds }
  throw unexpected('/v1/version', value)
}

export async function askDesiredMesh(client: MeshClient): Promise<DesiredMesh> {
  const value = await client.get('/v1/addresses')
  if (isRecord(value) && Array.isArray(value.workloads) && isRecord(value.addresses)) {
    // Both were validated by the control plane that runs from the same installation; the socket is private to this user.
    return value as unknown as DesiredMesh
  }
  throw unexpected('/v1/addresses', value)
}

/** A one-time token for one start of one sidecar. */
export async function mintJoinToken(client: MeshClient, namespace: string, serviceAccount: string): Promise<string> {
  const answer = await client.post('/v1/join-token', { namespace, serviceAccount })
  if (answer.status === 200 && isRecord(answer.body) && typeof answer.body.token === 'string') return answer.body.token
  throw refused('POST', '/v1/join-token', answer)
}

/** `<namespace>/<name>` of every instance that answers its probe; the others get no requests. */
export async function reportReady(client: MeshClient, ready: readonly string[]): Promise<void> {
  const answer = await client.post('/v1/ready', { ready })
  if (answer.status !== 200) throw refused('POST', '/v1/ready', answer)
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isHostPort(value: unknown): value is HostPort {
  return isRecord(value) && typeof value.host === 'string' && typeof value.port === 'number'
}

function unexpected(path: string, value: unknown): LateenError {
  return new LateenError(
    'MESH_ANSWER',
    `The mesh answered ${path} with something unexpected; is it of another version? ${JSON.stringify(value)}`,
  )
}
