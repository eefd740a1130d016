// Certificate requests: ours are read by openssl, openssl's are read by us, and everything unexpected is refused with a reason.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { buildCsr, parseCsr } from './csr.ts'
import * as der from './der.ts'
import { OID } from './oids.ts'
import { decodePem, encodePem } from './pem.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

const text = 'spiffe://cluster.local/ns/default/sa/reviews'
const id = spiffeId(text)
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const spki = publicKey.export({ type: 'spki', format: 'der' })

function spiffeId(value: string): SpiffeId {
  const parsed = parseSpiffeId(value)
  assert.ok(parsed.ok)
  return parsed.value
}

function reason(pem: string): string {
  const parsed = parseCsr(pem)
  return parsed.ok ? 'accepted' : (parsed.problems[0]?.message ?? '')
}

/** A request whose parts a test can bend, correctly signed. */
function bentCsr(bend: { version?: number; attributes?: Buffer; after?: Buffer; key?: Buffer }): string {
  const info = der.sequence(
    der.integer(Buffer.from([bend.version ?? 0])),
    der.sequence(),
    bend.key ?? spki,
    bend.attributes ?? attributes([extension(OID.subjectAltName, der.implicit(6, Buffer.from(text)))]),
  )
  const body = der.sequence(info, der.sequence(OID.ecdsaWithSha256), der.bitString(sign('sha256', info, privateKey)))
  return encodePem('CERTIFICATE REQUEST', Buffer.concat([body, bend.after ?? Buffer.alloc(0)]))
}

function attributes(extensions: readonly Buffer[]): Buffer {
  return der.explicit(0, der.sequence(OID.extensionRequest, der.set(der.sequence(...extensions))))
}

function extension(oid: Buffer, ...names: readonly Buffer[]): Buffer {
  return der.sequence(oid, der.octetString(der.sequence(...names)))
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lateen-csr-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('openssl verifies the request that we build and reads its name', () => {
  const printed = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], {
    input: buildCsr(id, privateKey),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  assert.match(printed, /X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/default\/sa\/reviews/)
  assert.match(printed, /ASN1 OID: prime256v1/)
})

for (const key of ['EC -pkeyopt ec_paramgen_curve:P-256', 'rsa:2048']) {
  test(`a request that openssl builds with ${key} is read, its subject ignored`, (t) => {
    const pem = execFileSync(
      'openssl',
      [
        ...['req', '-new', '-nodes', '-subj', '/O=somebody/CN=else', '-keyout', join(folder(t), 'key.pem')],
        ...['-newkey', ...key.split(' '), '-addext', `subjectAltName=critical,URI:${text}`],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
    const parsed = parseCsr(pem)
    assert.ok(parsed.ok)
    assert.equal(parsed.value.requested, text)
  })
}

test('the bent request without a bend is accepted, so that the refusals below are for the bend', () => {
  assert.equal(reason(bentCsr({})), 'accepted')
})

const altName = (...names: readonly Buffer[]): Buffer => attributes([extension(OID.subjectAltName, ...names)])
const uri = (value: string): Buffer => der.implicit(6, Buffer.from(value))
const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ type: 'spki', format: 'der' })
const rsa1024 = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'der' })
const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['another version', bentCsr({ version: 1 }), /version is not 0/],
  ['bytes after the request', bentCsr({ after: Buffer.from([0]) }), /1 bytes too many/],
  ['two names', bentCsr({ attributes: altName(uri(text), uri(text)) }), /exactly one URI name, asks for 2/],
  ['no name', bentCsr({ attributes: altName() }), /exactly one URI name, asks for 0/],
  ['a DNS name', bentCsr({ attributes: altName(der.implicit(2, Buffer.from('a.b'))) }), /a name that is no URI/],
  ['a URI that is no SPIFFE id', bentCsr({ attributes: altName(uri('https://a')) }), /not a SPIFFE id/],
  ['a name with a zero byte', bentCsr({ attributes: altName(uri(`${text}\0.evil`)) }), /not a SPIFFE id/],
  ['basicConstraints', bentCsr({ attributes: attributes([extension(OID.basicConstraints, der.boolean(true))]) }), /only subjectAltName/],
  [
    'a second extension',
    bentCsr({ attributes: attributes([extension(OID.subjectAltName, uri(text)), extension(OID.keyUsage)]) }),
    /only subject/,
  ],
  ['a P-384 key', bentCsr({ key: p384 }), /must be EC P-256/],
  ['an RSA key of 1024 bits', bentCsr({ key: rsa1024 }), /must be EC P-256/],
  ['a key that is none', bentCsr({ key: der.sequence(der.sequence()) }), /must be EC P-256/],
  [
    'a point that is not on the curve',
    bentCsr({ key: Buffer.concat([spki.subarray(0, -1), Buffer.from([1])]) }),
    /public key cannot be read/,
  ],
  [
    "somebody else's key",
    bentCsr({ key: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' }) }),
    /possession/,
  ],
  ['two requests', bentCsr({}) + bentCsr({}), /must be one request/],
  ['another label', bentCsr({}).replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), /expected a PEM block/],
  ['no PEM', 'hello', /expected a PEM block/],
  ['more than 8 KB', encodePem('CERTIFICATE REQUEST', Buffer.alloc(8193)), /at most 8192 bytes/],
  ['a megabyte', 'x'.repeat(1_000_000), /at most 8192 bytes/],
]

for (const [what, pem, why] of refusals) {
  test(`refused: ${what}`, () => assert.match(reason(pem), why))
}

test('no change of a byte gets through: each is refused or leaves the signed request as it was', () => {
  const [original] = blocks(buildCsr(id, privateKey))
  assert.ok(original !== undefined)
  for (let at = 0; at < original.length; at++) {
    for (const flip of [0x01, 0x20, 0x80, 0xff]) {
      const changed = Buffer.from(original)
      changed[at] = (changed[at] ?? 0) ^ flip
      const parsed = parseCsr(encodePem('CERTIFICATE REQUEST', changed))
      assert.equal(parsed.ok, false, `byte ${at} changed by ${flip}`)
    }
  }
})

test('random bytes, cuts and splices give a problem and never throw', () => {
  const random = seededRandom(7)
  const [original] = blocks(buildCsr(id, privateKey))
  assert.ok(original !== undefined)
  const below = (limit: number): number => Math.floor(random() * limit)
  for (let round = 0; round < 3000; round++) {
    const mutated: Buffer =
      round % 3 === 0
        ? Buffer.from(Array.from({ length: below(300) }, () => below(256)))
        : round % 3 === 1
          ? original.subarray(0, below(original.length))
          : Buffer.concat([
              original.subarray(0, below(original.length)),
              Buffer.from([below(256)]),
              original.subarray(below(original.length)),
            ])
    // A splice can put back what it took: once in some ten thousand rounds the request is whole again.
    assert.equal(parseCsr(encodePem('CERTIFICATE REQUEST', mutated)).ok, mutated.equals(original))
  }
})

function blocks(pem: string): readonly Buffer[] {
  const decoded = decodePem(pem, 'CERTIFICATE REQUEST')
  assert.ok(decoded.ok)
  return decoded.value
}
