// Which roots were in use, on disk: a restart in the middle of a rotation must go on trusting what was issued before it. Used by authority.ts.
// Invariant: a root is forgotten only after the last certificate below it has ended.
import type { Logger } from '../base/log.ts'
import { parseTrustBundle, type TrustBundle } from '../identity/trust-bundle.ts'
import type { CaSet } from './ca-set.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/** A root that nothing is issued from any more. */
export interface RetiringRoot {
  readonly pem: string
  /** When the last certificate below it has ended. */
  readonly untilMs: number
}

export interface TrustRecord {
  /** Where the authority came from that issued last. */
  readonly source: CaSet['source']
  readonly rootsPem: string
  readonly retiring: readonly RetiringRoot[]
}

export function readTrustRecord(path: string, log: Logger): TrustRecord | undefined {
  const text = readPrivateFile(path)
  if (text === undefined) return undefined
  const record = parseRecord(text)
  // What cannot be read is not trusted: workloads with certificates of an older root renew with a join token.
  if (record === undefined)
    log.warn('the record of trusted roots cannot be read; roots of before the restart are not trusted', { file: path })
  return record
}

export function writeTrustRecord(path: string, record: TrustRecord): void {
  writePrivateFile(path, `${JSON.stringify(record, null, 2)}\n`)
}

export function parseRecord(text: string): TrustRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value) || !Array.isArray(value.retiring)) return undefined
  const { source, rootsPem } = value
  if ((source !== 'self-signed' && source !== 'plugged-in') || typeof rootsPem !== 'string' || !parseTrustBundle(rootsPem).ok)
    return undefined
  const retiring = value.retiring.flatMap((each: unknown) => {
    if (!isRecord(each) || typeof each.pem !== 'string' || typeof each.untilMs !== 'number') return []
    return parseTrustBundle(each.pem).ok ? [{ pem: each.pem, untilMs: each.untilMs }] : []
  })
  return { source, rootsPem, retiring }
}

/** Roots of `before` that are not in `now`, each kept until then. */
export function retire(before: TrustBundle, now: TrustBundle, untilMs: number): readonly RetiringRoot[] {
  return pemsOf(before)
    .filter((pem) => !pemsOf(now).includes(pem))
    .map((pem) => ({ pem, untilMs }))
}

export function pemsOf({ pem }: TrustBundle): readonly string[] {
  return pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? []
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
