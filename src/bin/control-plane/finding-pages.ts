// Findings on their way between threads: pages of bytes, handed over and not copied, and read only when somebody asks. A hundred
// thousand Findings as objects would keep the main thread busy for a second with taking them over, every time.
// Invariant: all pages together are the list that they were made from, in its order.
import type { Finding } from '../../api/finding.ts'

export interface FindingPages {
  readonly count: number
  readonly pages: readonly Uint8Array<ArrayBuffer>[]
}

export const NO_FINDINGS: FindingPages = { count: 0, pages: [] }

/** A millisecond or two to read. */
const PAGE = 250

export function toPages(findings: readonly Finding[]): FindingPages {
  const encoder = new TextEncoder()
  const pages: Uint8Array<ArrayBuffer>[] = []
  for (let at = 0; at < findings.length; at += PAGE) pages.push(encoder.encode(JSON.stringify(findings.slice(at, at + PAGE))))
  return { count: findings.length, pages }
}

export function readPage(page: Uint8Array): readonly Finding[] {
  const findings: readonly Finding[] = JSON.parse(new TextDecoder().decode(page))
  return findings
}
