// Certificates: openssl accepts them in strict mode, both directions read the same facts.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { type CertificateFacts, readCertificate, spiffeIdOf } from './certificate.ts'
import { encodePem } from './pem.ts'
import { parseTrustBundle, whyUntrusted } from './trust-bundle.ts'
import { ECDSA_SHA256, issueLeaf, issueRoot, keyIdOf, type Signer, type SubjectAltName } from './x509.ts'

const HOUR_MS = 3_600_000
const nowMs = systemClock.nowMs()
const uri = 'spiffe://cluster.local/ns/default/sa/reviews'

function makeRoot(): { signer: Signer; pem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const der = issueRoot(privateKey, 'cluster.local', randomBytes(16), {
    notBeforeMs: nowMs - 120_000,
    notAfterMs: nowMs + 87_600 * HOUR_MS,
  })
  const facts = readCertificate(der)
  assert.ok(facts.ok)
  const keyId = keyIdOf(publicKey.export({ type: 'spki', format: 'der' }))
  return { signer: { privateKey, algorithm: ECDSA_SHA256, nameDer: facts.value.subjectDer, keyId }, pem: encodePem('CERTIFICATE', der) }
}

function makeLeaf(
  signer: Signer,
  names: readonly SubjectAltName[] = [{ uri }],
  serial = randomBytes(16),
  notAfterMs = nowMs + 24 * HOUR_MS,
): Buffer {
  const publicKeyDer = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' })
  return issueLeaf(signer, { publicKeyDer, names, serial, notBeforeMs: nowMs - 120_000, notAfterMs })
}

function factsOf(der: Buffer): CertificateFacts {
  const facts = readCertificate(der)
  assert.ok(facts.ok)
  return facts.value
}

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'lateen-x509-'))
  t.after(() => rmSync(path, { recursive: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}

for (const purpose of ['sslclient', 'sslserver']) {
  test(`openssl verifies a leaf strictly as ${purpose}`, (t) => {
    const root = makeRoot()
    for (const first of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
      const serial = Buffer.concat([Buffer.from([first]), randomBytes(15)])
      const path = folder(t, { 'root.pem': root.pem, 'leaf.pem': encodePem('CERTIFICATE', makeLeaf(root.signer, [{ uri }], serial)) })
      const run = spawnSync(
        'openssl',
        ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(path, 'root.pem'), join(path, 'leaf.pem')],
        {
          encoding: 'utf8',
        },
      )
      assert.equal(run.status, 0, run.stderr)
    }
  })
}

test('openssl reads in a leaf what was put into it', () => {
  const root = makeRoot()
  const pem = encodePem(
    'CERTIFICATE',
    makeLeaf(root.signer, [{ uri }, { dns: 'istiod.istio-system.svc' }, { ip: '127.0.0.1' }, { ip: 'fd00::1:2' }]),
  )
  const printed = execFileSync('openssl', ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' })
  assert.match(printed, /Subject: \n|Subject:\s*\n/)
  assert.match(printed, /Issuer: O = cluster\.local/)
  assert.match(
    printed,
    /Subject Alternative Name: critical\s+URI:spiffe:\S+, DNS:istiod\.istio-system\.svc, IP Address:127\.0\.0\.1, IP Address:FD00:0:0:0:0:0:1:2/,
  )
  assert.match(printed, /Basic Constraints: critical\s+CA:FALSE/)
  assert.match(printed, /Key Usage: critical\s+Digital Signature, Key Encipherment\n/)
  assert.match(printed, /Extended Key Usage:\s*\n\s+TLS Web Server Authentication, TLS Web Client Authentication/)
})

test('we read in a certificate of openssl what openssl says', (t) => {
  const path = folder(t, {})
  const pem = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-nodes', '-newkey', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=a', '-days', '30'],
      ...[
        '-keyout',
        join(path, 'key.pem'),
        '-addext',
        `subjectAltName=DNS:a.b,URI:${uri},DNS:c.d`,
        '-addext',
        'basicConstraints=critical,CA:FALSE',
      ],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const facts = readCertificate(pem)
  assert.ok(facts.ok)
  const printed = execFileSync('openssl', ['x509', '-noout', '-serial', '-enddate'], { input: pem, encoding: 'utf8' })
  assert.equal(`serial=${facts.value.serial.toUpperCase()}`, printed.split('\n')[0])
  assert.equal(facts.value.notAfterMs, Date.parse(printed.split('\n')[1]?.replace('notAfter=', '') ?? ''))
  assert.deepEqual(facts.value.uris, [uri])
  assert.deepEqual(facts.value.dnsNames, ['a.b', 'c.d'])
})

test('an authority, two URIs or none identify nobody', () => {
  const root = makeRoot()
  const cases = [root.pem, makeLeaf(root.signer, [{ uri }, { uri }]), makeLeaf(root.signer, [{ dns: 'a' }])]
  for (const certificate of cases) {
    const facts = readCertificate(certificate)
    assert.ok(facts.ok)
    assert.equal(spiffeIdOf(facts.value).ok, false)
  }
  const facts = readCertificate(makeLeaf(root.signer))
  assert.ok(facts.ok)
  assert.deepEqual(spiffeIdOf(facts.value), { ok: true, value: uri })
})

test('validity beyond 2049 is written as RFC 5280 wants it', () => {
  const root = makeRoot()
  const notAfterMs = Date.UTC(2051, 0, 2, 3, 4, 5)
  const facts = readCertificate(makeLeaf(root.signer, [{ uri }], randomBytes(16), notAfterMs))
  assert.ok(facts.ok)
  assert.equal(facts.value.notAfterMs, notAfterMs)
})

test('a bundle vouches for its own leaves only, and only while they are valid', () => {
  const [ours, theirs] = [makeRoot(), makeRoot()]
  const bundle = parseTrustBundle(ours.pem + ours.pem)
  assert.ok(bundle.ok)
  assert.equal(bundle.value.roots.length, 1)
  const leaf = makeLeaf(ours.signer)
  assert.equal(whyUntrusted(bundle.value, factsOf(leaf), nowMs), undefined)
  assert.match(whyUntrusted(bundle.value, factsOf(leaf), nowMs + 25 * HOUR_MS) ?? '', /expired/)
  assert.match(whyUntrusted(bundle.value, factsOf(leaf), nowMs - HOUR_MS) ?? '', /valid from/)
  assert.match(whyUntrusted(bundle.value, factsOf(makeLeaf(theirs.signer)), nowMs) ?? '', /not signed by a root of this mesh/)
})

test('a bundle of leaves, of nothing or of noise is refused', () => {
  const root = makeRoot()
  for (const pem of [encodePem('CERTIFICATE', makeLeaf(root.signer)), '', 'noise', encodePem('CERTIFICATE', Buffer.from('noise'))]) {
    assert.equal(parseTrustBundle(pem).ok, false)
  }
})
