// What the supervisor and the CLI ask a running mesh, with the answers checked: one function per question, so that no path or field
// name of the socket's API is written anywhere else.
import type { Finding } from '../api/finding.ts'
import type { LocalWorkload } from '../api/generated/local-workload.gen.ts'
import type { ApiObject, ObjectRef } from '../api/object-meta.ts'
import { LateenError } from '../base/errors.ts'
import type { AddressPlan, HostPort } from '../model/address-plan.ts'
import { type MeshClient, refused } from './mesh-client.ts'

/** Where a control plane in a cluster answers, on the loopback of its pod. */
export const STATUS_PORT = 8081

export interface ControlPlaneVersion {
  readonly version: string
  /** Where proxies reach xDS and the CA. */
  readonly xds: HostPort
}

export interface ShownFindings {
  /** The gravest. */
  readonly findings: readonly Finding[]
  /** How many there are. */
  readonly total: number
}

export async function askFindings(client: Pick<MeshClient, 'get'>): Promise<ShownFindings> {
  const value = await client.get('/v1/findings')
  if (isRecord(value) && Array.isArray(value.findings) && typeof value.total === 'number') return checked(value)
  throw unexpected('/v1/findings', value)
}

/** LocalWorkloads as they are in force, and where everything of them listens. */
export interface DesiredMesh {
  readonly workloads: readonly LocalWorkload[]
  readonly addresses: AddressPlan
}

export async function askVersion(client: Pick<MeshClient, 'get'>): Promise<ControlPlaneVersion> {
  const value = await client.get('/v1/version')
  if (isRecord(value) && typeof value.version === 'string' && isHostPort(value.xds)) return { version: value.version, xds: value.xds }
  throw unexpected('/v1/version', value)
}

export async function askDesiredMesh(client: MeshClient): Promise<DesiredMesh> {
  const value = await client.get('/v1/addresses')
  if (isRecord(value) && Array.isArray(value.workloads) && isRecord(value.addresses)) {
    return checked(value)
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

export interface ApplyOutcome {
  readonly changes: readonly { readonly object: ObjectRef; readonly change: string }[]
  readonly findings: readonly Finding[]
}

/** All of the text is taken, or nothing: then `changes` is empty and the findings say why. */
export async function applyText(client: MeshClient, text: string, name: string): Promise<ApplyOutcome> {
  const answer = await client.post('/v1/apply', { text, name })
  if (isRecord(answer.body) && Array.isArray(answer.body.changes) && Array.isArray(answer.body.findings)) return checked(answer.body)
  throw refused('POST', '/v1/apply', answer)
}

export interface DeleteResult {
  readonly object: ObjectRef
  readonly deleted: boolean
  /** Where a file defines the object that is in force again. */
  readonly inForceAgain?: string
  readonly reason?: string
}

export async function deleteRefs(client: MeshClient, objects: readonly ObjectRef[]): Promise<readonly DeleteResult[]> {
  const answer = await client.post('/v1/delete', { objects })
  if (isRecord(answer.body) && Array.isArray(answer.body.results)) return checked(answer.body.results)
  throw refused('POST', '/v1/delete', answer)
}

export interface ObjectSelection {
  readonly kind: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
}

export async function askObjects(client: Pick<MeshClient, 'get'>, selection: ObjectSelection): Promise<readonly ApiObject[]> {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(selection)) if (value !== undefined) query.set(key, value)
  const value = await client.get(`/v1/objects?${query}`)
  if (isRecord(value) && Array.isArray(value.objects)) return checked(value.objects)
  throw unexpected('/v1/objects', value)
}

/** One connected sidecar (xds/serve/client-status.ts). */
export interface ProxyStatus {
  readonly workload: string
  readonly namespace: string
  readonly identity: string
  /** In a cluster: the pod of the control plane that it is connected to. */
  readonly controlPlane?: string
  readonly connectedSinceMs: number
  readonly types: Readonly<
    Record<string, { readonly state: string; readonly rejection?: { readonly message: string; readonly resources: readonly string[] } }>
  >
}

export async function askProxies(client: Pick<MeshClient, 'get'>): Promise<readonly ProxyStatus[]> {
  const value = await client.get('/v1/proxies')
  if (isRecord(value) && Array.isArray(value.proxies)) return checked(value.proxies)
  throw unexpected('/v1/proxies', value)
}

/** The outer shape was checked; the rest was made by the same installation, behind a socket that only this user can open. */
function checked<T>(value: unknown): T {
  return value as T
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
