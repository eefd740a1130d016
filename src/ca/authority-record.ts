// What all replicas agree on about the authority: which set issues, which one waits for its root to be spread, which roots are still trusted.
// The leader writes it beside the key (cluster-authority.ts), everybody follows it. Pure.
// Invariants: a root is in the bundle for `spreadMs`, and trusted by everyone or for `capMs`, before it issues; it stays until the last
// certificate below it has ended; what the record says is enough to know the bundle, so that all replicas hand out the same.
import { contentHash } from '../base/content-hash.ts'
import { joinBundles, parseTrustBundle, type TrustBundle } from '../identity/trust-bundle.ts'
import { type CaSet, rootPemOf } from './ca-set.ts'
import { pemsOf, type RetiringRoot, retire } from './trusted-roots.ts'

export interface AuthorityRecord {
  readonly source: CaSet['source']
  /** Hash of the set that issues. */
  readonly issuing: string
  readonly rootsPem: string
  readonly retiring: readonly RetiringRoot[]
  /** Sound, but its root is not spread yet. */
  readonly pending?: { readonly hash: string; readonly rootsPem: string; readonly sinceMs: number }
}

export interface Now {
  readonly nowMs: number
  /** The least time that a new root is in the bundle before something is issued from it. */
  readonly spreadMs: number
  /** After this it is issued from although somebody has not said that he trusts it: he may be gone without a word. */
  readonly capMs: number
  /** Whether everyone who told us what he trusts, trusts this bundle. */
  readonly everyoneTrusts: (bundleHash: string) => boolean
  /** How long the last certificate of a set that stops issuing may live. */
  readonly lifetimeMs: number
}

/** The next step. The same content when there is none.
 *  @param candidate the set that should issue; undefined while there is none that holds. */
export function nextRecord(record: AuthorityRecord | undefined, candidate: CaSet | undefined, now: Now): AuthorityRecord | undefined {
  if (record === undefined) return candidate === undefined ? undefined : recordOf(candidate, [])
  const retiring = record.retiring.filter(({ untilMs }) => untilMs > now.nowMs)
  const { pending, ...settled } = { ...record, retiring }
  // A set that is gone for a moment (deleted, then made again) does not begin anew.
  if (candidate === undefined) return { ...record, retiring }
  // Back to what is in force: nothing was issued from the other.
  if (candidate.hash === record.issuing) return settled
  if (isTrusted(settled, candidate)) return issueFrom(record, candidate, now)
  if (pending?.hash !== candidate.hash) {
    return { ...settled, pending: { hash: candidate.hash, rootsPem: candidate.bundle.pem, sinceMs: now.nowMs } }
  }
  return isSpread(record, now) ? issueFrom(record, candidate, now) : { ...record, retiring }
}

/** A root that everybody has had for long: a new intermediate below it, or a way back. */
function isTrusted({ rootsPem, retiring }: AuthorityRecord, candidate: CaSet): boolean {
  const root = rootPemOf(candidate)
  return rootsPem.includes(root) || retiring.some(({ pem }) => pem === root)
}

function isSpread(record: AuthorityRecord, { nowMs, spreadMs, capMs, everyoneTrusts }: Now): boolean {
  const sinceMs = record.pending?.sinceMs ?? nowMs
  if (nowMs < sinceMs + spreadMs) return false
  const bundle = bundleOfRecord(record)
  return nowMs >= sinceMs + capMs || (bundle !== undefined && everyoneTrusts(bundle.hash))
}

function issueFrom(record: AuthorityRecord, candidate: CaSet, { nowMs, lifetimeMs }: Now): AuthorityRecord {
  const stays = pemsOf(candidate.bundle)
  const before = parseTrustBundle(record.rootsPem)
  const ending = before.ok ? retire(before.value, candidate.bundle, nowMs + lifetimeMs) : []
  const still = record.retiring.filter(({ pem, untilMs }) => untilMs > nowMs && !stays.includes(pem))
  return recordOf(candidate, [...still, ...ending])
}

function recordOf({ source, hash, bundle }: CaSet, retiring: readonly RetiringRoot[]): AuthorityRecord {
  return { source, issuing: hash, rootsPem: bundle.pem, retiring }
}

const bundles = new WeakMap<AuthorityRecord, TrustBundle>()

/** What is issued from first. Undefined: it cannot be read. */
export function bundleOfRecord(record: AuthorityRecord): TrustBundle | undefined {
  const bundle = bundles.get(record) ?? readBundle(record)
  if (bundle !== undefined) bundles.set(record, bundle)
  return bundle
}

function readBundle({ rootsPem, pending, retiring }: AuthorityRecord): TrustBundle | undefined {
  const [first, ...others] = [rootsPem, ...(pending === undefined ? [] : [pending.rootsPem]), ...retiring.map(({ pem }) => pem)].flatMap(
    (pem) => {
      const parsed = parseTrustBundle(pem)
      return parsed.ok ? [parsed.value] : []
    },
  )
  return first === undefined ? undefined : joinBundles(first, ...others)
}

/** Undefined: not a record, or one with roots that are none. */
export function parseAuthorityRecord(text: string): AuthorityRecord | undefined {
  const value = parseJson(text)
  if (!isRecord(value) || !Array.isArray(value.retiring)) return undefined
  const { source, issuing, rootsPem } = value
  if ((source !== 'self-signed' && source !== 'plugged-in') || typeof issuing !== 'string' || !isBundle(rootsPem)) return undefined
  const retiring = value.retiring.flatMap((each: unknown) =>
    isRecord(each) && isBundle(each.pem) && typeof each.untilMs === 'number' ? [{ pem: each.pem, untilMs: each.untilMs }] : [],
  )
  if (retiring.length !== value.retiring.length) return undefined
  const pending = parsePending(value.pending)
  return { source, issuing, rootsPem, retiring, ...(pending === undefined ? {} : { pending }) }
}

function parsePending(value: unknown): AuthorityRecord['pending'] {
  if (!isRecord(value) || typeof value.hash !== 'string' || !isBundle(value.rootsPem) || typeof value.sinceMs !== 'number') return undefined
  return { hash: value.hash, rootsPem: value.rootsPem, sinceMs: value.sinceMs }
}

export function isSameRecord(a: AuthorityRecord | undefined, b: AuthorityRecord | undefined): boolean {
  return hashOf(a) === hashOf(b)
}

function hashOf(record: AuthorityRecord | undefined): string {
  if (record === undefined) return ''
  const { source, issuing, rootsPem, retiring, pending } = record
  return contentHash(JSON.stringify([source, issuing, rootsPem, retiring, pending?.hash, pending?.rootsPem, pending?.sinceMs]))
}

function isBundle(value: unknown): value is string {
  return typeof value === 'string' && parseTrustBundle(value).ok
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
