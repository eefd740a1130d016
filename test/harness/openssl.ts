// The openssl program as a witness that shares no code with Node's TLS as we use it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { HostPort } from '../../src/model/address-plan.ts'
import type { TestCertificate } from './certificates.ts'
import { connects } from './ports.ts'
import { waitFor } from './wait.ts'

/** Whether it is there; skips the test with the reason when not. */
export function requireOpenssl(t: TestContext): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    t.skip('no openssl program here')
    return false
  }
}

export interface CertificateFolder {
  readonly roots: string
  readonly chain: string
  readonly key: string
}

export function writeCertificate(folder: string, { chainPem, keyPem }: TestCertificate, rootsPem: string): CertificateFolder {
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  return { roots: write('roots.pem', rootsPem), chain: write('chain.pem', chainPem), key: write('key.pem', keyPem) }
}

/** `openssl s_client` that sends `text` and prints all it learns until the server closes. */
export async function sClient(to: HostPort, roots: string, own: CertificateFolder | undefined, text: string): Promise<string> {
  const identity = own === undefined ? [] : ['-cert', own.chain, '-key', own.key]
  const args = ['s_client', '-connect', `${to.host}:${to.port}`, '-CAfile', roots, '-alpn', 'istio-http/1.1', '-ign_eof', ...identity]
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const printed = collect(child)
  child.stdin.on('error', () => undefined)
  child.stdin.write(text)
  const exit = once(child, 'exit')
  const hard = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exit
  clearTimeout(hard)
  return printed()
}

/** `openssl s_server` that demands a client certificate and answers GET with a page about the connection. */
export async function startSServer(t: TestContext, at: HostPort, own: CertificateFolder): Promise<{ readonly printed: () => string }> {
  const args = ['-accept', `${at.host}:${at.port}`, '-cert', own.chain, '-key', own.key, '-CAfile', own.roots]
  const child = spawn('openssl', ['s_server', ...args, '-Verify', '1', '-verify_return_error', '-www'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = collect(child)
  t.after(async () => {
    const exit = once(child, 'exit')
    if (child.exitCode === null) child.kill('SIGKILL')
    await exit
  })
  await waitFor(() => connects(at.port, at.host), { what: 'openssl s_server', while: () => child.exitCode === null })
  return { printed }
}

/** The subject alternative names of the first certificate in a text, in openssl's words. */
export function namesIn(text: string): string {
  const [pem] = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/.exec(text) ?? []
  if (pem === undefined) throw new Error(`no certificate in:\n${text}`)
  return execFileSync('openssl', ['x509', '-noout', '-ext', 'subjectAltName'], { input: pem, encoding: 'utf8' })
}

function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return () => text
}
