// The current certificate on disk, so that a restarted proxy need not use its join token again: the token works once.
// Used by certificate-manager.ts. Key, chain and roots are one file, replaced by a rename: never a key without its certificate, and
// readable by the owner only.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fail, type Result, succeed } from '../../base/result.ts'
import { readCertificate, spiffeIdOf } from '../../identity/certificate.ts'
import { decodePem } from '../../identity/pem.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { KeyPair } from './secret-store.ts'

const FILE = 'identity.pem'
/** A certificate about to end is not worth starting with. */
const MIN_REMAINING_MS = 60_000

export interface IssuedIdentity {
  readonly pair: KeyPair
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly serial: string
}

export async function saveIdentity(folder: string, pair: KeyPair): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, FILE)
  await writeFile(`${file}.new`, `${pair.keyPem.trim()}\n${pair.chainPem.trim()}\n`, { mode: 0o600 })
  // The mode above holds only for a new file; a leftover keeps its own.
  await chmod(`${file}.new`, 0o600)
  await rename(`${file}.new`, file)
}

/** Undefined when there is none, or none that is this workload's and valid for a while. */
export async function loadIdentity(folder: string, id: SpiffeId, nowMs: number): Promise<IssuedIdentity | undefined> {
  const text = await readFile(path.join(folder, FILE), 'utf8').catch(() => '')
  const at = text.indexOf('-----BEGIN CERTIFICATE-----')
  if (at <= 0) return undefined
  const identity = checkIdentity({ keyPem: text.slice(0, at), chainPem: text.slice(at) }, id, nowMs)
  return identity.ok && identity.value.notAfterMs - nowMs > MIN_REMAINING_MS ? identity.value : undefined
}

/** The chain is well-formed, the leaf is ours by name and by key, and in force now. */
export function checkIdentity(pair: KeyPair, id: SpiffeId, nowMs: number): Result<IssuedIdentity> {
  const chain = decodePem(pair.chainPem, 'CERTIFICATE')
  if (!chain.ok) return chain
  const leaf = chain.value[0]
  const facts = leaf === undefined ? fail('', 'the chain is empty') : readCertificate(leaf)
  if (!facts.ok) return facts
  const name = spiffeIdOf(facts.value)
  if (!name.ok) return name
  if (name.value !== id) return fail('', `the certificate is for ${name.value}, not for ${id}`)
  if (leaf === undefined || !new X509Certificate(leaf).checkPrivateKey(createPrivateKey(pair.keyPem)))
    return fail('', 'the certificate is for another key')
  const { notBeforeMs, notAfterMs, serial } = facts.value
  if (nowMs < notBeforeMs || nowMs >= notAfterMs) return fail('', 'the certificate is not in force now; compare the clocks of CA and proxy')
  return succeed({ pair, notBeforeMs, notAfterMs, serial })
}
