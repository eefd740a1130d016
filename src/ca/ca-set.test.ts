// Sets of files: what is taken issues what openssl verifies; what does not hold is refused in the name of the file that is wrong.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  asFiles,
  cacerts,
  EC_P256,
  EC_P384,
  type MadeAuthority,
  makeAuthority,
  RSA_2048,
  temporaryFolder,
} from '../../test/harness/authorities.ts'
import { systemClock } from '../base/clock.ts'
import { type CaSet, readCaSet } from './ca-set.ts'
import { createIssuer } from './issuer.ts'

const DAY_MS = 86_400_000
const uri = 'spiffe://cluster.local/ns/default/sa/reviews'

function take(set: Readonly<Record<string, string>>): CaSet {
  const read = readCaSet(asFiles(set), Date.now())
  assert.ok(read.ok, JSON.stringify(read))
  return read.value
}

function refusal(set: Readonly<Record<string, string>>, nowMs = Date.now()): string {
  const read = readCaSet(asFiles(set), nowMs)
  assert.ok(!read.ok, 'the set was taken')
  return `${read.problems[0]?.path}: ${read.problems[0]?.message}`
}

/** openssl's verdict on a leaf of this set, which sees the roots and what the leaf's holder sends. */
function opensslVerdict(t: TestContext, ca: CaSet): string {
  const publicKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' })
  const { chain, rootsPem } = createIssuer({ ca: () => ca, clock: systemClock }).issue(publicKey, [{ uri }])
  const folder = temporaryFolder(t)
  const [leaf = '', ...between] = chain
  for (const [name, text] of Object.entries({ leaf, between: between.join(''), roots: rootsPem })) writeFileSync(join(folder, name), text)
  const untrusted = between.length > 0 ? ['-untrusted', 'between'] : []
  return execFileSync('openssl', ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'roots', ...untrusted, 'leaf'], {
    cwd: folder,
    encoding: 'utf8',
  })
}

for (const [what, rootKey, issuerKey] of [
  ['P-256 below P-256', EC_P256, EC_P256],
  ['P-384 below P-256', EC_P256, EC_P384],
  ['RSA below RSA', RSA_2048, RSA_2048],
  ['P-256 below RSA', RSA_2048, EC_P256],
] as const) {
  test(`an intermediate with ${what} issues what openssl verifies`, (t) => {
    const root = makeAuthority(t, 'root', undefined, { key: rootKey })
    const issuer = makeAuthority(t, 'issuer', root, { key: issuerKey })
    const ca = take(cacerts(issuer, [root], [root]))
    assert.deepEqual(ca.chainPem.length, 1, 'the root is not sent along')
    assert.match(opensslVerdict(t, ca), /leaf: OK/)
  })
}

test('two intermediates in any order are sent issuer first; other roots stay in the bundle', (t) => {
  const [root, other] = [makeAuthority(t, 'root'), makeAuthority(t, 'other')]
  const upper = makeAuthority(t, 'upper', root, {
    extensions: ['basicConstraints=critical,CA:TRUE,pathlen:1', 'keyUsage=critical,keyCertSign'],
  })
  const issuer = makeAuthority(t, 'issuer', upper)
  const ca = take({ ...cacerts(issuer, [], [other, root]), 'cert-chain.pem': upper.certificatePem + issuer.certificatePem })
  assert.equal(ca.chainPem.join(''), issuer.certificatePem + upper.certificatePem)
  assert.equal(ca.bundle.roots.length, 2)
  assert.match(opensslVerdict(t, ca), /leaf: OK/)
})

test('a root that signs leaves itself, and the names of a TLS Secret, are taken', (t) => {
  const root = makeAuthority(t, 'root')
  assert.equal(take(cacerts(root, [], [root])).chainPem.length, 0)
  const issuer = makeAuthority(t, 'issuer', root)
  const ca = take({ 'tls.crt': issuer.certificatePem, 'tls.key': issuer.keyPem, 'ca.crt': root.certificatePem })
  assert.match(opensslVerdict(t, ca), /leaf: OK/)
})

test('text around the blocks, as openssl ca writes it, is not read', (t) => {
  const root = makeAuthority(t, 'root')
  const set = cacerts(root, [], [root])
  assert.ok(take({ ...set, 'ca-cert.pem': `Certificate:\n  Data: 3\n${set['ca-cert.pem']}` }))
})

test('no leaf outlives the first certificate of its chain to end', (t) => {
  const root = makeAuthority(t, 'root')
  const issuer = makeAuthority(t, 'issuer', root, { days: 1 })
  const ca = take(cacerts(issuer, [root], [root]))
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const { notAfterMs } = createIssuer({ ca: () => ca, clock: systemClock, maxValidityMs: 90 * DAY_MS }).issue(
    publicKey.export({ type: 'spki', format: 'der' }),
    [{ uri }],
  )
  assert.ok(notAfterMs <= ca.issuer.notAfterMs)
})

const withExtensions = (t: TestContext, by: MadeAuthority, ...extensions: readonly string[]): MadeAuthority =>
  makeAuthority(t, 'issuer', by, { extensions })

test('what does not hold is refused in the name of the file that is wrong', (t) => {
  const [root, other] = [makeAuthority(t, 'root'), makeAuthority(t, 'other')]
  const issuer = makeAuthority(t, 'issuer', root)
  const good = cacerts(issuer, [root], [root])
  const narrow = withExtensions(t, root, 'basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign')
  const below = makeAuthority(t, 'below', narrow)
  const p192 = makeAuthority(t, 'odd', root, { key: ['-newkey', 'ed25519'] })
  const { 'root-cert.pem': _, ...rootless } = good
  const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [rootless, /^root-cert.pem: is missing; a plugged-in CA needs ca-cert.pem, ca-key.pem and root-cert.pem/],
    [{ ...good, 'ca-key.pem': other.keyPem }, /^ca-cert.pem: does not belong to the key in ca-key.pem/],
    [{ ...good, 'ca-key.pem': 'hello' }, /^ca-key.pem: holds no private key that can be read/],
    [{ ...good, 'ca-cert.pem': 'hello' }, /^ca-cert.pem: holds no certificate in PEM/],
    [
      { ...good, 'root-cert.pem': other.certificatePem },
      /^root-cert.pem: does not hold the root that ca-cert.pem chains to \(its issuer is 'O=Example, CN=root'\)/,
    ],
    [cacerts(withExtensions(t, root, 'basicConstraints=critical,CA:FALSE'), [root], [root]), /^ca-cert.pem: is no certificate authority/],
    [
      cacerts(withExtensions(t, root, 'basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign'), [], [root]),
      /^ca-cert.pem: is no certificate authority; it needs basicConstraints CA:TRUE, and keyCertSign/,
    ],
    [cacerts(below, [narrow, root], [root]), /^root-cert.pem: does not hold.*path length/],
    [cacerts(p192, [root], [root]), /^ca-key.pem: is of a kind that certificates are not signed with/],
    [{ ...good, 'root-cert.pem': good['root-cert.pem'] + 'x'.repeat(300_000) }, /^root-cert.pem: has \d+ bytes/],
  ]
  for (const [set, why] of cases) assert.match(refusal(set), why)
  assert.match(refusal(good, Date.now() + 3651 * DAY_MS), /^ca-cert.pem: expired at .* have it issued anew/)
})

test('a root that ended is named', (t) => {
  const root = makeAuthority(t, 'root', undefined, { days: 1 })
  const set = cacerts(makeAuthority(t, 'issuer', root), [root], [root])
  assert.match(refusal(set, Date.now() + 2 * DAY_MS), /^root-cert.pem: the chain of ca-cert.pem to it does not hold: .* expired at/)
})
