// SPIFFE ids (the SPIFFE-ID standard, section 2) and Istio's form of them: spiffe://<trust domain>/ns/<namespace>/sa/<account>.
// Everything that compares identities compares these strings, byte for byte.
// Invariant: a SpiffeId has passed the parser, so that two spellings of one identity cannot exist.
import { fail, type Result, succeed } from '../base/result.ts'

declare const spiffeIdBrand: unique symbol
export type SpiffeId = string & { readonly [spiffeIdBrand]: true }

/** What Istio's form says about a workload. */
export interface WorkloadIdentity {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** The standard's bound for ids that every implementation must support; we accept no longer ones. */
const MAX_ID_BYTES = 2048
const MAX_TRUST_DOMAIN_BYTES = 255
const SCHEME = 'spiffe://'

export function parseSpiffeId(text: string): Result<SpiffeId> {
  if (text.length > MAX_ID_BYTES) return fail('', `a SPIFFE id has at most ${MAX_ID_BYTES} bytes, this one ${text.length}`)
  if (!text.startsWith(SCHEME)) return fail('', `${quote(text)} is not a SPIFFE id: it does not begin with 'spiffe://'`)
  const slash = text.indexOf('/', SCHEME.length)
  const trustDomain = slash === -1 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash)
  if (!isTrustDomain(trustDomain)) {
    return fail('', `${quote(text)} is not a SPIFFE id: a trust domain has 1 to 255 of a-z, 0-9, '.', '-' and '_'`)
  }
  const wrong = slash === -1 ? undefined : wrongSegment(text.slice(slash + 1))
  if (wrong !== undefined) return fail('', `${quote(text)} is not a SPIFFE id: ${wrong}`)
  // The only place where a string becomes a SpiffeId, after all checks.
  return succeed(text as SpiffeId)
}

export function isTrustDomain(text: string): boolean {
  return text.length <= MAX_TRUST_DOMAIN_BYTES && /^[a-z0-9._-]+$/.test(text)
}

function wrongSegment(path: string): string | undefined {
  for (const segment of path.split('/')) {
    if (segment === '') return 'its path has an empty segment or ends in a slash'
    if (segment === '.' || segment === '..') return `its path has the relative segment '${segment}'`
    if (!/^[a-zA-Z0-9._-]+$/.test(segment)) return "its path may have letters, digits, '.', '-' and '_' only"
  }
  return undefined
}

/** Long or odd input must not flood a log line. */
function quote(text: string): string {
  const shown = text.length > 120 ? `${text.slice(0, 120)}...` : text
  return JSON.stringify(shown)
}

/** Istio's form. Fails when a part could not stand in a SPIFFE id: Kubernetes names always can. */
export function workloadSpiffeId(identity: WorkloadIdentity): Result<SpiffeId> {
  const { trustDomain, namespace, serviceAccount } = identity
  if (namespace.includes('/') || serviceAccount.includes('/')) return fail('', 'a namespace or service account has no slash')
  return parseSpiffeId(`${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`)
}

/** The parts of an id in Istio's form; undefined for any other SPIFFE id. */
export function workloadIdentityOf(id: SpiffeId): WorkloadIdentity | undefined {
  const match = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id)
  const [, trustDomain, namespace, serviceAccount] = match ?? []
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined
  return { trustDomain, namespace, serviceAccount }
}

export function trustDomainOf(id: SpiffeId): string {
  const end = id.indexOf('/', SCHEME.length)
  return end === -1 ? id.slice(SCHEME.length) : id.slice(SCHEME.length, end)
}
