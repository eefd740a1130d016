// Certificate authorities as people make them, with openssl, for tests of what is plugged in. Keys and certificates are in a folder of the test.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface MadeAuthority {
  readonly certificatePem: string
  readonly keyPem: string
}

export interface AuthorityOptions {
  readonly key?: readonly string[]
  readonly days?: number
  /** openssl's words for extensions. */
  readonly extensions?: readonly string[]
}

export const EC_P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
export const EC_P384 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']
export const RSA_2048 = ['-newkey', 'rsa:2048']

export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lateen-ca-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const AUTHORITY = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']

/** A root, or below another authority. */
export function makeAuthority(t: TestContext, name: string, by?: MadeAuthority, options: AuthorityOptions = {}): MadeAuthority {
  const folder = temporaryFolder(t)
  const { key = EC_P256, days = 3650, extensions = AUTHORITY } = options
  const file = (each: string): string => join(folder, each)
  const issuer: string[] = []
  if (by !== undefined) {
    writeFileSync(file('by.pem'), by.certificatePem)
    writeFileSync(file('by-key.pem'), by.keyPem)
    issuer.push('-CA', file('by.pem'), '-CAkey', file('by-key.pem'))
  }
  const args = ['req', '-x509', '-nodes', ...key, '-subj', `/O=Example/CN=${name}`, '-days', String(days), ...issuer]
  writeFileSync(file('openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n')
  const added = extensions.flatMap((extension) => ['-addext', extension])
  execFileSync(
    'openssl',
    [...args, ...added, '-config', file('openssl.cnf'), '-keyout', file('key.pem'), '-out', file('certificate.pem')],
    {
      stdio: 'pipe',
    },
  )
  return { certificatePem: readFileSync(file('certificate.pem'), 'utf8'), keyPem: readFileSync(file('key.pem'), 'utf8') }
}

/** The set of files for an issuer below a root, as Istio's documentation lays them out: the chain file holds the root too. */
export function cacerts(issuer: MadeAuthority, chain: readonly MadeAuthority[], roots: readonly MadeAuthority[]): Record<string, string> {
  const certificates = (all: readonly MadeAuthority[]): string => all.map(({ certificatePem }) => certificatePem).join('')
  return {
    'ca-cert.pem': issuer.certificatePem,
    'ca-key.pem': issuer.keyPem,
    'cert-chain.pem': certificates([issuer, ...chain]),
    'root-cert.pem': certificates(roots),
  }
}

export function asFiles(set: Readonly<Record<string, string>>): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(set).map(([name, text]) => [name, Buffer.from(text)]))
}

export function writeSet(folder: string, set: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(set)) writeFileSync(join(folder, name), text, { mode: 0o600 })
}
