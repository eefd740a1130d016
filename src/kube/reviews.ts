// Questions to the API server about who somebody is and what they may do. Asked by the CA (tokens of pods), by gateways' secrets (may this
// account read that Secret?) and by `check` (may we?). Invariant: a token is in the request's body and nowhere else: no log, no message.
import { isRecord } from '../api/record.ts'
import type { KubeClient, RequestOptions } from './client.ts'
import type { KubeResult } from './failure.ts'
import { type KubernetesKind, resourceOf } from './resource.ts'

export type TokenVerdict =
  | {
      readonly authenticated: true
      /** `system:serviceaccount:<namespace>:<name>` */
      readonly username: string
      readonly uid: string
      readonly groups: readonly string[]
      /** Those of the audiences asked for that the token is meant for. */
      readonly audiences: readonly string[]
      /** From a bound token: the pod and its node. */
      readonly podName: string | undefined
      readonly podUid: string | undefined
      readonly nodeName: string | undefined
    }
  | { readonly authenticated: false; readonly why: string }

/** Whose token it is. A token for another audience is not authenticated, also by an API server that ignores audiences. */
export async function reviewToken(
  client: KubeClient,
  token: string,
  audiences: readonly string[],
  options?: RequestOptions,
): Promise<KubeResult<TokenVerdict>> {
  const asked = await ask(client, 'TokenReview', { token, audiences }, options)
  return asked.ok ? { ok: true, value: verdictOf(asked.value, audiences) } : asked
}

function verdictOf(status: Fields, wanted: readonly string[]): TokenVerdict {
  if (status.authenticated !== true) {
    return {
      authenticated: false,
      why: typeof status.error === 'string' && status.error !== '' ? status.error : 'the API server does not know the token',
    }
  }
  const audiences = strings(status.audiences).filter((audience) => wanted.includes(audience))
  // TokenReview: "a TokenReview client that sets the spec.audiences field should validate that a compatible audience identifier is
  // returned in the status.audiences field to ensure that the TokenReview server is audience aware."
  if (wanted.length > 0 && audiences.length === 0) {
    return { authenticated: false, why: `the token is not meant for ${wanted.map((each) => `'${each}'`).join(' or ')}` }
  }
  const user = fields(status.user)
  const extra = fields(user.extra)
  const first = (name: string): string | undefined => strings(extra[`authentication.kubernetes.io/${name}`])[0]
  return {
    authenticated: true,
    username: typeof user.username === 'string' ? user.username : '',
    uid: typeof user.uid === 'string' ? user.uid : '',
    groups: strings(user.groups),
    audiences,
    podName: first('pod-name'),
    podUid: first('pod-uid'),
    nodeName: first('node-name'),
  }
}

export interface Access {
  readonly verb: string
  readonly group: string
  /** The plural. */
  readonly resource: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
}

export interface AccessVerdict {
  readonly allowed: boolean
  readonly reason: string
}

/** May this account do that? */
export function reviewAccess(
  client: KubeClient,
  account: { readonly namespace: string; readonly name: string },
  access: Access,
  options?: RequestOptions,
): Promise<KubeResult<AccessVerdict>> {
  const { namespace, name } = account
  const spec = {
    user: `system:serviceaccount:${namespace}:${name}`,
    // Rights are often given to the groups that every service account is in.
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    resourceAttributes: access,
  }
  return askAccess(client, 'SubjectAccessReview', spec, options)
}

/** May we do that? Every authenticated account may ask this about itself. */
export function reviewOwnAccess(client: KubeClient, access: Access, options?: RequestOptions): Promise<KubeResult<AccessVerdict>> {
  return askAccess(client, 'SelfSubjectAccessReview', { resourceAttributes: access }, options)
}

async function askAccess(
  client: KubeClient,
  kind: 'SubjectAccessReview' | 'SelfSubjectAccessReview',
  spec: Fields,
  options: RequestOptions | undefined,
): Promise<KubeResult<AccessVerdict>> {
  const asked = await ask(client, kind, spec, options)
  if (!asked.ok) return asked
  const { allowed, denied, reason } = asked.value
  return { ok: true, value: { allowed: allowed === true && denied !== true, reason: typeof reason === 'string' ? reason : '' } }
}

type Fields = Readonly<Record<string, unknown>>

async function ask(
  client: KubeClient,
  kind: KubernetesKind,
  spec: Fields,
  options: RequestOptions | undefined,
): Promise<KubeResult<Fields>> {
  const answer = await client.create(resourceOf(kind), { metadata: {}, spec }, options)
  return answer.ok ? { ok: true, value: fields(answer.value.status) } : answer
}

function fields(value: unknown): Fields {
  return isRecord(value) ? value : {}
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
}
