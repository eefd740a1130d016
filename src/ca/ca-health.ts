// What is wrong, or soon will be, with the authority itself: facts for the Findings that bin makes of them. Pure, but for the question
// what the authority holds. Invariant: what ends within 30 days is told, so that nobody learns of it from an outage.
import type { CertificateFacts } from '../identity/certificate.ts'
import type { Authority } from './authority.ts'

const DAY_MS = 86_400_000
/** Time enough for whoever must ask another department for a certificate. */
export const EXPIRY_WARNING_MS = 30 * DAY_MS

export type CaTrouble =
  /** The files that are there now are not in force. */
  | { readonly kind: 'refused'; readonly file: string; readonly reason: string }
  | { readonly kind: 'expiring'; readonly what: string; readonly serial: string; readonly notAfterMs: number; readonly daysLeft: number }
  | { readonly kind: 'expired'; readonly what: string; readonly serial: string; readonly notAfterMs: number }
  | { readonly kind: 'revocation-list' }
  /** A root was exchanged; the old one is trusted until the last certificate below it has ended. */
  | { readonly kind: 'retiring'; readonly count: number; readonly untilMs: number }

type Held = Pick<Authority, 'issuing' | 'bundle' | 'refused' | 'hasCrl' | 'retiring'>

export function caTroubles(authority: Held, nowMs: number): readonly CaTrouble[] {
  const { root, authorities } = authority.issuing.value
  const refused = authority.refused.map(({ path, message }): CaTrouble => ({ kind: 'refused', file: path, reason: message }))
  const between = authorities.flatMap((facts) => endOf(facts, 'intermediate', nowMs))
  const others = authority.bundle.value.roots
    .filter(({ facts }) => !facts.certificate.raw.equals(root.certificate.raw))
    .flatMap(({ facts }) => endOf(facts, 'other trusted root', nowMs))
  const list: readonly CaTrouble[] = authority.hasCrl ? [{ kind: 'revocation-list' }] : []
  const untilMs = Math.max(...authority.retiring.map((each) => each.untilMs))
  const retiring: readonly CaTrouble[] =
    authority.retiring.length === 0 ? [] : [{ kind: 'retiring', count: authority.retiring.length, untilMs }]
  return [...refused, ...endOf(root, 'root', nowMs), ...between, ...others, ...list, ...retiring]
}

function endOf({ serial, notAfterMs }: CertificateFacts, what: string, nowMs: number): readonly CaTrouble[] {
  if (nowMs > notAfterMs) return [{ kind: 'expired', what, serial, notAfterMs }]
  const daysLeft = Math.floor((notAfterMs - nowMs) / DAY_MS)
  return notAfterMs - nowMs < EXPIRY_WARNING_MS ? [{ kind: 'expiring', what, serial, notAfterMs, daysLeft }] : []
}
